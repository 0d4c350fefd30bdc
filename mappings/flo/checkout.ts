import type Stripe from 'stripe'
import { floItem } from '../../src/contracts/flo.ts'
import { idOf, isoTime } from '../../src/language/converters.ts'
import { set, unset } from '../../src/language/mapping.ts'
import { all, always, defineMapping, event, firstOf, given, is, not, on, self } from '../../src/language/words.ts'
import { linkedMoment } from '../accessors/facts.ts'
import { sessionUser } from '../accessors/user.ts'
import { envelope } from './envelope.ts'
import { itemKey, purchasedItem, sessionItems } from './item.ts'

const session = on(
  'checkout.session.completed',
  'checkout.session.async_payment_succeeded',
  'checkout.session.async_payment_failed',
  'checkout.session.expired',
)
const { from, has, type } = session
const isPaid = has('payment_status', 'paid', 'no_payment_required')
/** With manual capture the page is completed when the money is authorised, and tells nothing when it is captured. */
const captured = linkedMoment(idOf(from('payment_intent')), 'captured')

/** `item.purchased` for each line of a Checkout session that was paid. */
export default defineMapping({
  name: 'flo/checkout',
  on: session,
  to: floItem,
  user: sessionUser,
  total: [],
  waitFor: [],

  rules: [
    {
      ignore: 'not_completed',
      because: 'The session ended without a payment: nothing was bought.',
      when: type('checkout.session.async_payment_failed', 'checkout.session.expired'),
    },
    {
      ignore: 'not_a_purchase',
      because: 'The session starts a subscription or saves a card: those have events of their own.',
      when: not(has('mode', 'payment')),
    },
    {
      ignore: 'invoice_speaks',
      because: 'The session made an invoice: its lines are sent when the invoice is paid.',
      when: has('invoice', set),
    },
    {
      ignore: 'awaiting_payment',
      because:
        'The payment takes time: checkout.session.async_payment_succeeded follows when the money has come, charge.captured when it is captured.',
      when: all(type('checkout.session.completed'), not(isPaid), is(captured, unset)),
    },
    {
      emit: 'item.purchased',
      each: { list: sessionItems(self<Stripe.Checkout.Session>(), from('id')), where: all() },
      key: itemKey,
    },
  ],

  body: {
    ...envelope('item'),
    user: sessionUser,
    item: purchasedItem(
      isoTime(firstOf(linkedMoment(from('id'), 'purchased'), given(not(isPaid), captured), event('created'))),
      always(null),
    ),
    subscription: always(undefined),
  },
  news: {},
})
