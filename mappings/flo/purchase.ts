import type Stripe from 'stripe'
import { floItem } from '../../src/contracts/flo.ts'
import { isoTime } from '../../src/language/converters.ts'
import { some } from '../../src/language/list-words.ts'
import {
  all,
  always,
  computed,
  defineMapping,
  event,
  firstOf,
  member,
  more,
  not,
  on,
  self,
} from '../../src/language/words.ts'
import { invoiceCheckout, linkedMoment } from '../accessors/facts.ts'
import { invoiceSubscription, type Line, lines, oneOff, waitForSubscription } from '../accessors/invoice.ts'
import { invoiceUser } from '../accessors/user.ts'
import { envelope } from './envelope.ts'
import { invoiceDetails, state } from './invoice-details.ts'
import { invoiceLines, itemKey, purchasedItem, relatedSubscription } from './item.ts'

const invoice = on('invoice.paid')
const { from } = invoice

/** The one-off lines of the invoice, credits apart: what was bought with it. */
const boughtLines = computed('one-off lines', invoiceLines, self<Stripe.Invoice>(), invoiceCheckout)
const line = member<Line>('line')

/** `item.purchased` for each one-off line of a paid invoice; a setup fee stands on a subscription's invoice. */
export default defineMapping({
  name: 'flo/purchase',
  on: invoice,
  to: floItem,
  user: invoiceUser,
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
    ...envelope('item'),
    user: invoiceUser,
    item: purchasedItem(
      isoTime(firstOf(from('status_transitions.paid_at'), linkedMoment(from('id'), 'purchased'), event('created'))),
      invoiceDetails,
    ),
    subscription: relatedSubscription(invoiceSubscription),
  },
  news: {},
})
