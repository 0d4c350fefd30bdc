import type Stripe from 'stripe'
import { floItem } from '../../src/contracts/flo.ts'
import { idOf, isoTime } from '../../src/language/converters.ts'
import { set, unset } from '../../src/language/mapping.ts'
import { all, always, any, defineMapping, event, firstOf, is, on, self, userOf } from '../../src/language/words.ts'
import { customerEmail, customerMetadata, linkedId, linkedMoment } from '../accessors/facts.ts'
import { BASIL } from '../versions.ts'
import { envelope } from './envelope.ts'
import { itemKey, paidItems, purchasedItem } from './item.ts'

const intent = on('payment_intent.succeeded')
const { from, has, legacy } = intent
const id = from('id')
const customer = firstOf(idOf(from('customer')), from('customer_account'), id)

const payer = userOf(customer, {
  clientUserId: [from('metadata.client_user_id'), customerMetadata(customer)],
  email: [customerEmail(customer), from('receipt_email')],
})

/** A payment that an invoice or a Checkout session collects is reported by that one. */
const ofSomethingElse = any(
  is(idOf(legacy<string | { id: string }>('invoice', BASIL)), set),
  is(linkedId(id, 'invoice'), set),
  is(linkedId(id, 'session'), set),
)
/** `item.purchased` of a bare payment, where its metadata asks for it (`flo_product`: what is bought). */
export default defineMapping({
  name: 'flo/payment',
  on: intent,
  to: floItem,
  user: payer,
  total: [],
  waitFor: [{ fact: 'purchase', key: id, unless: any(has('metadata.flo_product', unset), ofSomethingElse) }],

  rules: [
    {
      ignore: 'not_opted_in',
      because: 'A bare payment is a purchase only when its metadata says of what (flo_product).',
      when: has('metadata.flo_product', unset),
    },
    {
      ignore: 'told_elsewhere',
      because: 'The payment belongs to an invoice or a Checkout session, whose own event reports the purchase.',
      when: ofSomethingElse,
    },
    { emit: 'item.purchased', each: { list: paidItems(self<Stripe.PaymentIntent>()), where: all() }, key: itemKey },
  ],

  body: {
    ...envelope('item'),
    user: payer,
    item: purchasedItem(isoTime(firstOf(linkedMoment(id, 'purchased'), event('created'))), always(null)),
    subscription: always(undefined),
  },
  news: {},
})
