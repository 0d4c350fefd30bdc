import type Stripe from 'stripe'
import { floSubscription } from '../../src/contracts/flo.ts'
import type { Json } from '../../src/domain/json.ts'
import { isoTime, major } from '../../src/language/converters.ts'
import { chooser, max, min, some } from '../../src/language/list-words.ts'
import { type Expr, unset } from '../../src/language/mapping.ts'
import {
  all,
  any,
  called,
  defineMapping,
  firstOf,
  given,
  is,
  kept,
  more,
  on,
  uuidOf,
} from '../../src/language/words.ts'
import {
  invoiceSubscription,
  linePriceId,
  lineQuantity,
  lines,
  lineUnitAmount,
  periodLine,
  waitForSubscription,
} from '../accessors/invoice.ts'
import { invoiceUser } from '../accessors/user.ts'
import { envelope } from './envelope.ts'
import { currency, invoiceDetails, state } from './invoice-details.ts'
import { subscriptionShape } from './subscription.ts'

const invoice = on('invoice.paid')
const { from, has, legacy } = invoice

/** The subscription as we hold it; its own events may come later than its payment. */
const held = kept('subscription', invoiceSubscription)
type Line = Stripe.InvoiceLineItem
/** The line of the period that was paid: of several the one that ends last. */
const paidLine = chooser('paid line', 'of the lines that bill a period the one that ends last', (list: Line[]) => {
  const old = (line: Line) => line as unknown as { type?: string; proration?: boolean }
  const periods = list.filter(
    (line) =>
      line.parent?.type !== 'invoice_item_details' &&
      old(line).type !== 'invoiceitem' &&
      !old(line).proration &&
      !line.parent?.subscription_item_details?.proration,
  )
  return periods.reduce<Line | null>(
    (last, line) => (last === null || line.period.end > last.period.end ? line : last),
    null,
  )
})
const periodStart = min(lines, (line) => line.from('period.start'), periodLine)
const periodEnd = max(lines, (line) => line.from('period.end'), periodLine)

/**
 * Before billing_reason had a value for a cycle: an invoice that is made when a period is over looks back on it, while those of
 * a start or a change look back on nothing (`period_start` is `period_end`).
 */
const closingPeriod = called(
  'at the end of a period',
  all(
    any(has('billing_reason', unset), is(legacy<string>('billing_reason', { until: '2018-11-08' }), 'subscription')),
    more(from('period_end'), from('period_start')),
    some(lines, periodLine),
  ),
)

const { startDate: _start, endDate: _end, ...rest } = subscriptionShape
const shape = {
  ...(Object.fromEntries(Object.entries(rest).map(([field, node]) => [field, held(node as Expr<Json>)])) as {
    [K in keyof typeof rest]: (typeof rest)[K]
  }),
  uuid: uuidOf('subscription', invoiceSubscription),
  // Of a subscription never seen, the paid line shows what it can; of a stored one, what is absent is absent.
  id: given(held.known, held(subscriptionShape.id), paidLine(lines, linePriceId)),
  quantity: given(held.known, held(subscriptionShape.quantity), paidLine(lines, lineQuantity)),
  currency: firstOf(held(subscriptionShape.currency), currency),
  amount: given(
    held.known,
    held(subscriptionShape.amount),
    major(
      paidLine(lines, lineUnitAmount),
      paidLine(lines, (line) => line.from('currency')),
    ),
  ),
  invoiceDetails: invoiceDetails,
}

/** `subscription.renewed`: a recurring period was billed successfully. */
export default defineMapping({
  name: 'flo/renewal',
  on: invoice,
  to: floSubscription,
  user: invoiceUser,
  total: [state],
  waitFor: [waitForSubscription],

  rules: [
    {
      ignore: 'not_a_renewal',
      because: 'The invoice belongs to no subscription.',
      when: is(invoiceSubscription, unset),
    },
    // An amount of 0 counts as well: a coupon or a credit balance paid for the period.
    {
      emit: 'subscription.renewed',
      when: any(has('billing_reason', 'subscription_cycle'), closingPeriod),
      key: [from('id')],
    },
    { ignore: 'not_a_renewal', because: 'The invoice bills a start, a change or a threshold, not a new period.' },
  ],

  body: {
    ...envelope('subscription'),
    user: invoiceUser,
    subscription: {
      uuid: shape.uuid,
      id: shape.id,
      name: shape.name,
      description: shape.description,
      // The roll of the subscription may arrive later than its payment: the period comes from the paid lines.
      startDate: isoTime(periodStart),
      endDate: isoTime(periodEnd),
      state: shape.state,
      quantity: shape.quantity,
      currency: shape.currency,
      amount: shape.amount,
      total: shape.total,
      cancelAt: shape.cancelAt,
      canceledAt: shape.canceledAt,
      trialEnd: shape.trialEnd,
      pausedAt: shape.pausedAt,
      resumeAt: shape.resumeAt,
      metadata: shape.metadata,
      invoiceDetails: shape.invoiceDetails,
    },
  },
  news: {},
})
