import type Stripe from 'stripe'
import { floItem } from '../../src/contracts/flo.ts'
import { isoTime } from '../../src/normalize/converters.ts'
import {
  all,
  always,
  computed,
  defineMapping,
  event,
  firstOf,
  kept,
  member,
  more,
  not,
  on,
  self,
  some,
  userOf,
} from '../../src/normalize/words.ts'
import { customerEmail, customerMetadata, invoiceCheckout } from '../accessors/facts.ts'
import {
  invoiceCustomer,
  invoiceSubscription,
  type Line,
  lines,
  oneOff,
  waitForSubscription,
} from '../accessors/invoice.ts'
import { subscription } from '../accessors/subscription.ts'
import { BASIL } from '../versions.ts'
import { invoiceDetails, state } from './invoice-details.ts'
import { boughtShape, invoiceLines, itemKey, relatedSubscription } from './item.ts'

const invoice = on('invoice.paid')
const { from, legacy } = invoice

/** The one-off lines of the invoice, credits apart: what was bought with it. */
const boughtLines = computed('one-off lines', invoiceLines, self<Stripe.Invoice>(), invoiceCheckout)
const line = member<Line>('line')

/** `item.purchased` for each one-off line of a paid invoice; a setup fee stands on a subscription's invoice. */
export default defineMapping({
  name: 'flo/purchase',
  on: invoice,
  to: floItem,
  total: [state],
  waitFor: [waitForSubscription],

  rules: [
    {
      ignore: 'no_items',
      because: 'Every line of the invoice is a period of a subscription or its proration: nothing was bought once.',
      when: not(some(lines, oneOff)),
    },
    {
      emit: 'item.purchased',
      each: { list: boughtLines, where: all(oneOff(line), not(more(always(0), line.from('amount')))) },
      key: itemKey,
    },
  ],

  body: {
    user: userOf(invoiceCustomer, {
      told: [
        from('metadata.client_user_id'),
        from('parent.subscription_details.metadata.client_user_id'),
        legacy<string>('subscription_details.metadata.client_user_id', BASIL),
        kept('subscription', invoiceSubscription)(subscription.from('metadata.client_user_id')),
        customerMetadata(invoiceCustomer),
      ],
      email: [customerEmail(invoiceCustomer), from('customer_email')],
    }),
    item: {
      uuid: boughtShape.uuid,
      id: boughtShape.id,
      name: boughtShape.name,
      description: boughtShape.description,
      state: always('purchased'),
      quantity: boughtShape.quantity,
      currency: boughtShape.currency,
      amount: boughtShape.amount,
      total: boughtShape.total,
      refundedAmount: always(0),
      purchasedAt: isoTime(firstOf(from('status_transitions.paid_at'), event('created'))),
      refundedAt: always(null),
      metadata: boughtShape.metadata,
      invoiceDetails: invoiceDetails,
    },
    subscription: relatedSubscription(invoiceSubscription),
  },
  news: {},
})
