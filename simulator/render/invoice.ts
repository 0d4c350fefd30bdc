import type { Json } from '../../src/domain/json.ts'
import type { Invoice, Line } from '../objects/billing.ts'
import { amountDue, amountRemaining, discountOf, subtotalOf, taxOf, totalOf } from '../totals.ts'
import { ACACIA, BASIL, ENDIVE } from '../versions.ts'
import { discountFields } from './discount.ts'
import { added, between, type Fields, livemode, renderList, renderObject, type Shape, since, until } from './fields.ts'
import { lineFields, taxesOf } from './line.ts'

type One = Invoice
const isPaid = ({ status }: One) => status === 'paid'
/** Sums of the lines' amounts by what they are for (a discount, a tax rate). */
function sumByKey(
  invoice: One,
  entries: (line: Line) => Json[],
  key: (entry: Json) => string,
  ...sums: string[]
): Json[] {
  const byKey = new Map<string, Json>()
  for (const entry of invoice.lines.flatMap(entries)) {
    const known = byKey.get(key(entry))
    if (known) for (const sum of sums) known[sum] += entry[sum]
    else byKey.set(key(entry), structuredClone(entry))
  }
  return [...byKey.values()]
}
const discountAmounts = (invoice: One) =>
  sumByKey(
    invoice,
    (line) => (line.discount ? [{ amount: line.discount.amount, discount: line.discount.of.id }] : []),
    (entry) => entry.discount,
    'amount',
  )
const taxAmounts = (invoice: One) =>
  sumByKey(
    invoice,
    (line) => (line.tax ? [{ amount: line.tax.amount, inclusive: false, tax_rate: line.tax.rate }] : []),
    (entry) => entry.tax_rate,
    'amount',
  )
const totalTaxes = (invoice: One) =>
  sumByKey(invoice, taxesOf, (entry) => entry.tax_rate_details.tax_rate, 'amount', 'taxable_amount')
const hasTax = ({ lines }: One) => lines.some((line) => line.tax !== null)
const pageUrl = ({ urlKey }: One, host: string, end = '') =>
  urlKey && `https://${host}/acct_simulated/${urlKey}${end}?s=ap`

export const invoiceFields: Fields<One> = {
  // A preview has none.
  id: ({ id }) => id ?? undefined,
  object: 'invoice',
  account_country: since('2019-03-14', 'US'),
  account_name: since('2019-03-14', 'Simulated Inc.'),
  account_tax_ids: since('2020-08-27', null),
  amount_due: amountDue,
  amount_overpaid: since(BASIL, 0),
  amount_paid: since('2018-02-28', ({ amountPaid }: One) => amountPaid),
  amount_remaining: since('2018-02-28', amountRemaining),
  amount_shipping: since('2023-10-16', 0),
  application: since('2022-08-01', null),
  application_fee: until('2019-03-14', null),
  application_fee_amount: between('2019-03-14', BASIL, null),
  attempt_count: ({ attempts }) => attempts,
  attempted: ({ attempted }) => attempted,
  auto_advance: since('2018-02-28', ({ autoAdvance }: One) => autoAdvance),
  automatic_tax: since('2020-08-27', {
    disabled_reason: since(BASIL, null),
    enabled: false,
    liability: since('2024-06-20', null),
    provider: since('2025-09-30', null),
    status: null,
  }),
  automatically_finalizes_at: since(ACACIA, ({ finalizesAt }: One) => finalizesAt),
  billing: between('2018-02-05', '2019-10-17', ({ collection }: One) => collection),
  billing_reason: since('2018-02-28', billingReason),
  charge: until(BASIL, ({ charge }: One) => charge),
  closed: until('2018-11-08', ({ status }: One) => status !== 'draft' && status !== 'open'),
  collection_method: since('2019-03-14', ({ collection }: One) => collection),
  created: since('2019-03-14', ({ created }: One) => created),
  currency: ({ currency }) => currency,
  custom_fields: since('2019-03-14', null),
  customer: ({ customer }) => customer,
  customer_account: since('2025-12-15', null),
  customer_address: since('2019-03-14', null),
  customer_email: since('2019-03-14', ({ customerEmail }: One) => customerEmail),
  customer_name: since('2019-03-14', ({ customerName }: One) => customerName),
  customer_phone: since('2019-03-14', null),
  customer_shipping: since('2019-03-14', null),
  customer_tax_exempt: since('2019-03-14', 'none'),
  customer_tax_ids: since('2019-03-14', []),
  date: until('2019-03-14', ({ created }: One) => created),
  default_payment_method: since('2019-03-14', null),
  default_source: since('2019-03-14', null),
  default_tax_rates: since('2019-03-14', []),
  description: null,
  discount: until(BASIL, firstDiscount),
  discounts: since('2020-08-27', (invoice: One) => discountAmounts(invoice).map((entry) => entry.discount)),
  due_date: added(
    '2018-02-05',
    ({ dueDate }: One) => dueDate,
    ({ dueDate }) => dueDate !== null,
  ),
  effective_at: since('2023-10-16', ({ finalizedAt }: One) => finalizedAt),
  ending_balance: ({ endingBalance }) => endingBalance,
  footer: since('2019-03-14', null),
  forgiven: until('2018-11-08', ({ status }: One) => status === 'uncollectible'),
  from_invoice: since('2022-11-15', null),
  hosted_invoice_url: since('2018-02-28', (invoice: One) => pageUrl(invoice, 'invoice.stripe.com/i')),
  invoice_pdf: since('2018-02-28', (invoice: One) => pageUrl(invoice, 'pay.stripe.com/invoice', '/pdf')),
  issuer: since('2024-06-20', { type: 'self' }),
  last_finalization_error: since('2020-08-27', null),
  latest_revision: since('2022-11-15', null),
  lines: (invoice: One, shape: Shape) =>
    renderList(
      invoice.lines.map((line) => renderObject(lineFields, line, shape)),
      `/v1/invoices/${invoice.id ?? 'upcoming'}/lines`,
    ),
  livemode,
  metadata: ({ metadata }) => metadata,
  next_payment_attempt: ({ nextPaymentAttempt }) => nextPaymentAttempt,
  number: since('2018-02-28', ({ number }: One) => number),
  on_behalf_of: since('2020-08-27', null),
  paid: until(BASIL, isPaid),
  paid_out_of_band: between('2020-08-27', BASIL, ({ paidOutOfBand }: One) => paidOutOfBand),
  parent: since(BASIL, parentOf),
  payment_intent: between('2019-03-14', BASIL, ({ paymentIntent }: One) => paymentIntent),
  payment_settings: since('2020-08-27', {
    default_mandate: since('2022-08-01', null),
    payment_method_options: null,
    payment_method_types: null,
  }),
  period_end: ({ periodEnd }) => periodEnd,
  period_start: ({ periodStart }) => periodStart,
  post_payment_credit_notes_amount: since('2019-03-14', ({ creditedAfterPayment }: One) => creditedAfterPayment),
  pre_payment_credit_notes_amount: since('2019-03-14', ({ creditedBeforePayment }: One) => creditedBeforePayment),
  quote: between('2020-08-27', BASIL, null),
  receipt_number: null,
  rendering: since('2023-10-16', null),
  rendering_options: between('2022-08-01', '2023-10-16', null),
  shipping_cost: since('2023-10-16', null),
  shipping_details: since('2023-10-16', null),
  starting_balance: 0,
  statement_description: until('2015-01-11', null),
  statement_descriptor: null,
  status: since('2018-11-08', ({ status }: One) => status),
  status_details: since(ENDIVE, statusDetails),
  status_transitions: since('2019-03-14', {
    finalized_at: ({ finalizedAt }: One) => finalizedAt,
    marked_uncollectible_at: ({ uncollectibleAt }: One) => uncollectibleAt,
    paid_at: ({ paidAt }: One) => paidAt,
    voided_at: ({ voidedAt }: One) => voidedAt,
  }),
  subscription: until(BASIL, ({ subscription }: One) => subscription),
  subscription_details: between('2023-10-16', BASIL, {
    metadata: ({ subscriptionMetadata }: One) => subscriptionMetadata,
  }),
  subtotal: subtotalOf,
  subtotal_excluding_tax: since('2022-08-01', subtotalOf),
  tax: until(BASIL, (invoice: One) => (hasTax(invoice) ? taxOf(invoice) : null)),
  tax_percent: until('2020-08-27', null),
  test_clock: added(
    '2020-08-27',
    ({ testClock }: One) => testClock,
    ({ testClock }) => testClock !== null,
  ),
  total: totalOf,
  total_discount_amounts: since('2020-08-27', discountAmounts),
  total_excluding_tax: since('2022-08-01', (invoice: One) => subtotalOf(invoice) - discountOf(invoice)),
  total_pretax_credit_amounts: since(BASIL, []),
  total_tax_amounts: between('2019-03-14', BASIL, taxAmounts),
  total_taxes: since(BASIL, totalTaxes),
  transfer_data: between('2020-03-02', BASIL, null),
  webhooks_delivered_at: ({ created, status }) => (status === 'draft' ? null : created),
}

/** Until May 2018 Stripe did not tell a period, a change and a start apart. */
function billingReason({ billingReason }: One, { date }: Shape): string {
  return date < '2018-05-21' && billingReason.startsWith('subscription_') ? 'subscription' : billingReason
}

function firstDiscount({ lines, customer }: One, shape: Shape) {
  const of = lines.find((line) => line.discount)?.discount?.of
  return of ? renderObject(discountFields, { ...of, customer }, shape) : null
}

function statusDetails({ status, subscription }: One) {
  const reason = subscription === null ? 'user_forgiven' : 'subscription_paused'
  return status === 'uncollectible' ? { uncollectible: { reason } } : undefined
}

function parentOf({ subscription, subscriptionMetadata }: One) {
  return (
    subscription && {
      quote_details: null,
      subscription_details: { metadata: subscriptionMetadata, subscription },
      type: 'subscription_details',
    }
  )
}
