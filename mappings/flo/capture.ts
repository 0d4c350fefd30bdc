import { floItem } from '../../src/contracts/flo.ts'
import type { Json } from '../../src/domain/json.ts'
import { idOf, isoTime } from '../../src/language/converters.ts'
import { type Expr, set } from '../../src/language/mapping.ts'
import { all, always, any, defineMapping, event, firstOf, given, is, not, on } from '../../src/language/words.ts'
import { linkedMoment } from '../accessors/facts.ts'
import { envelope } from './envelope.ts'
import { itemKey, purchasedItem } from './item.ts'
import { payerOf, paymentOf, sessions } from './refund-shapes.ts'

const intent = on('payment_intent.succeeded')
const charge = on('charge.captured')
const capture = on(...intent.types, ...charge.types)
const ofCharge = capture.type('charge.captured')
const intentId = given(ofCharge, idOf(charge.from('payment_intent')), intent.from('id'))
const payment = paymentOf(
  given(ofCharge, charge.from('id')),
  intentId,
  always(null),
  idOf(capture.from('customer') as Expr<Json>),
)
const buyer = payerOf(payment, capture.from('metadata.client_user_id') as Expr<string | null>)
const { session } = payment

/**
 * `item.purchased` of a Checkout session with manual capture: its page is completed when the money is authorised, and the
 * purchase is told when it is captured.
 */
export default defineMapping({
  name: 'flo/capture',
  on: capture,
  to: floItem,
  user: buyer,
  total: [],
  waitFor: [],

  rules: [
    {
      ignore: 'captured_at_once',
      because: 'Only a payment that had been authorised before makes a purchase of its Checkout session.',
      when: not(any(ofCharge, intent.has('capture_method', 'manual'))),
    },
    {
      ignore: 'told_elsewhere',
      because:
        'What it paid is reported by the event of an invoice, a Checkout session or a payment intent, if by any.',
      when: any(
        not(session.known),
        is(payment.invoiceId, set),
        not(is(session(sessions.from('mode')), 'payment')),
        not(is(session(sessions.from('payment_status')), 'unpaid')),
      ),
    },
    { emit: 'item.purchased', each: { list: payment.items, where: all() }, key: itemKey },
  ],

  body: {
    ...envelope('item'),
    user: buyer,
    item: purchasedItem(isoTime(firstOf(linkedMoment(intentId, 'captured'), event('created'))), always(null)),
    subscription: always(undefined),
  },
  news: {},
})
