import type { CreditNote } from '../objects/payment.ts'
import { BASIL, CLOVER, DAHLIA } from '../versions.ts'
import { between, type Fields, livemode, renderList, renderObject, type Shape, since, until } from './fields.ts'

type Credit = CreditNote['lines'][number]
const creditLineFields: Fields<Credit> = {
  id: ({ id }) => id,
  object: 'credit_note_line_item',
  amount: ({ amount }) => amount,
  amount_excluding_tax: between('2022-08-01', BASIL, ({ amount }: Credit) => amount),
  description: ({ line }) => line.description,
  discount_amount: 0,
  discount_amounts: [],
  invoice_line_item: ({ line }) => line.id,
  livemode,
  metadata: since(DAHLIA, () => ({})),
  pretax_credit_amounts: since(BASIL, []),
  quantity: ({ line }) => line.quantity,
  tax_amounts: until(BASIL, []),
  tax_rates: [],
  taxes: since(BASIL, []),
  type: 'invoice_line_item',
  unit_amount: null,
  unit_amount_decimal: null,
  unit_amount_excluding_tax: between('2022-08-01', BASIL, ({ amount, line }: Credit) =>
    String(Math.round(amount / line.quantity)),
  ),
}

const creditedAmount = ({ lines }: CreditNote) => lines.reduce((sum, { amount }) => sum + amount, 0)
export const creditNoteFields: Fields<CreditNote> = {
  id: ({ id }) => id,
  object: 'credit_note',
  amount: creditedAmount,
  amount_shipping: since('2023-10-16', 0),
  created: ({ created }) => created,
  currency: ({ currency }) => currency,
  customer: ({ customer }) => customer,
  customer_account: since('2025-12-15', null),
  customer_balance_transaction: null,
  discount_amount: 0,
  discount_amounts: [],
  effective_at: since('2023-10-16', ({ created }: CreditNote) => created),
  invoice: ({ invoice }) => invoice,
  lines: (note, shape) =>
    renderList(
      note.lines.map((line) => renderObject(creditLineFields, line, shape)),
      `/v1/credit_notes/${note.id}/lines`,
    ),
  livemode,
  memo: null,
  metadata: () => ({}),
  number: ({ number }) => number,
  out_of_band_amount: null,
  pdf: ({ id }) => `https://pay.stripe.com/credit_notes/acct_simulated/${id}/pdf?s=ap`,
  post_payment_amount: since(CLOVER, (note: CreditNote) => (note.type === 'post_payment' ? creditedAmount(note) : 0)),
  pre_payment_amount: since(CLOVER, (note: CreditNote) => (note.type === 'pre_payment' ? creditedAmount(note) : 0)),
  pretax_credit_amounts: since(BASIL, []),
  reason: null,
  refund: until(BASIL, ({ refund }: CreditNote) => refund?.id ?? null),
  refunds: since(BASIL, refundsOf),
  shipping_cost: since('2023-10-16', null),
  status: 'issued',
  subtotal: creditedAmount,
  subtotal_excluding_tax: since('2022-08-01', creditedAmount),
  tax_amounts: until(BASIL, []),
  total: creditedAmount,
  total_excluding_tax: since('2022-08-01', creditedAmount),
  total_taxes: since(BASIL, []),
  type: ({ type }) => type,
  voided_at: null,
}

function refundsOf({ refund }: CreditNote, { date }: Shape) {
  if (!refund) return []
  const newer = date >= '2025-12-15' ? { payment_record_refund: null, type: 'refund' } : {}
  return [{ amount_refunded: refund.amount, ...newer, refund: refund.id }]
}
