import type { Json } from '../../src/domain/json.ts'
import { heard, story } from './story.ts'

// Stripe's objects of a payment of 100 dollars in the shape of basil, and what refunds of it lead to.

export const SECOND = 1_780_000_000
let counter = 0
export const eventOf = (type: string, object: Json, { at = 0, previous }: { at?: number; previous?: Json } = {}) => ({
  id: `evt_${++counter}`,
  object: 'event',
  type,
  created: SECOND + at,
  livemode: true,
  api_version: null,
  data: { object, ...(previous ? { previous_attributes: previous } : {}) },
})

export const items = (events: Json[], patient = true) =>
  heard(story(events, { patient }))
    .filter(({ type }) => type.startsWith('item.'))
    .map(({ type, body }) => ({ type, ...JSON.parse(body).item, subscription: JSON.parse(body).subscription }))
export const refundsOf = (events: Json[], patient = true) =>
  items(events, patient).filter(({ type }) => type === 'item.refunded')
/** The codes with which events of a type end. */
export const codesOf = (type: string, events: Json[]) =>
  story(events, { patient: true })
    .outcomes.filter((one) => one.type === type)
    .map(({ outcome }) => outcome.code)

export const session = (over: Json = {}) => ({
  id: 'cs_1',
  object: 'checkout.session',
  mode: 'payment',
  status: 'complete',
  payment_status: 'paid',
  amount_total: 10000,
  amount_subtotal: 10000,
  currency: 'usd',
  customer: 'cus_1',
  payment_intent: 'pi_1',
  invoice: null,
  created: SECOND - 600,
  metadata: {},
  ...over,
})
export const intent = (over: Json = {}) => ({
  id: 'pi_1',
  object: 'payment_intent',
  amount: 10000,
  amount_received: 10000,
  capture_method: 'automatic',
  currency: 'usd',
  customer: 'cus_1',
  latest_charge: 'ch_1',
  status: 'succeeded',
  created: SECOND,
  metadata: {},
  ...over,
})
export const charge = (over: Json = {}) => ({
  id: 'ch_1',
  object: 'charge',
  amount: 10000,
  amount_captured: 10000,
  amount_refunded: 0,
  captured: true,
  currency: 'usd',
  customer: 'cus_1',
  payment_intent: 'pi_1',
  payment_method_details: { type: 'card' },
  refunded: false,
  status: 'succeeded',
  created: SECOND,
  metadata: {},
  ...over,
})
export const refund = (over: Json = {}) => ({
  id: 're_1',
  object: 'refund',
  amount: 10000,
  balance_transaction: 'txn_1',
  charge: 'ch_1',
  payment_intent: 'pi_1',
  currency: 'usd',
  reason: null,
  status: 'succeeded',
  created: SECOND + 1000,
  metadata: {},
  ...over,
})
export const line = (id: string, amount: number, over: Json = {}) => ({
  id,
  object: 'line_item',
  amount,
  currency: 'usd',
  description: id,
  quantity: 1,
  metadata: {},
  discount_amounts: [],
  taxes: [],
  parent: { type: 'invoice_item_details', invoice_item_details: { invoice_item: `ii_${id}`, proration: false } },
  pricing: { price_details: { price: `price_${id}`, product: `prod_${id}` }, unit_amount_decimal: String(amount) },
  ...over,
})
export const invoice = (lines: Json[], over: Json = {}) => {
  const total = lines.reduce((sum, { amount }) => sum + amount, 0)
  return {
    id: 'in_1',
    object: 'invoice',
    amount_due: total,
    amount_paid: total,
    amount_remaining: 0,
    attempt_count: 1,
    billing_reason: 'manual',
    currency: 'usd',
    customer: 'cus_1',
    created: SECOND,
    lines: { object: 'list', data: lines, has_more: false },
    metadata: {},
    number: 'A-1',
    status: 'paid',
    status_transitions: { paid_at: SECOND + 5 },
    subtotal: total,
    total,
    ...over,
  }
}
export const paidBy = (payment: string, over: Json = {}) =>
  eventOf('invoice_payment.paid', {
    id: `inpay_${payment}`,
    object: 'invoice_payment',
    invoice: 'in_1',
    payment: { type: 'payment_intent', payment_intent: payment },
    status: 'paid',
    ...over,
  })
export const note = (id: string, refundId: string, money: number, lines: [string, number, Json?][]) => ({
  id,
  object: 'credit_note',
  amount: lines.reduce((sum, [, amount]) => sum + amount, 0),
  created: SECOND + 1000,
  customer: 'cus_1',
  currency: 'usd',
  invoice: 'in_1',
  lines: {
    data: lines.map(([of, amount, more]) => ({
      id: `cnli_${id}_${of}`,
      amount,
      discount_amount: 0,
      invoice_line_item: of,
      type: 'invoice_line_item',
      ...more,
    })),
  },
  refunds: [{ refund: refundId, amount_refunded: money, type: 'refund' }],
  type: 'post_payment',
})
/** The events of a refund that a credit note names, as Stripe sends them. */
export const credited = (id: string, amount: number, lines: [string, number, Json?][], over: Json = {}) => [
  eventOf('refund.created', refund({ id, amount, ...over }), { at: 1000 }),
  eventOf('credit_note.created', note(`cn_${id}`, id, amount, lines), { at: 1000 }),
]
