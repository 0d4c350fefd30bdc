import { randomBytes } from 'node:crypto'

const now = () => Math.floor(Date.now() / 1000)
export const fresh = (prefix: string) => `${prefix}_${randomBytes(8).toString('hex')}`

/** A snapshot event of this object, as text; `extra` goes into the envelope. */
export const snapshotEvent = (type: string, object: object, extra: object = {}): string =>
  JSON.stringify({
    id: fresh('evt'),
    object: 'event',
    api_version: '2026-10-28.endive',
    created: now(),
    livemode: false,
    type,
    data: { object },
    ...extra,
  })

/** A thin event about an object, as text. */
export const thinEvent = (
  type: string,
  related: { id: string; type: string; url: string },
  extra: object = {},
): string =>
  JSON.stringify({
    id: fresh('evt'),
    object: 'v2.core.event',
    type,
    created: new Date().toISOString(),
    livemode: false,
    related_object: related,
    ...extra,
  })

/** A subscription to one price, active. */
export const subscriptionObject = (
  fields: { id?: string; metadata?: Record<string, string>; customer?: string } & object = {},
) => ({
  id: fresh('sub'),
  object: 'subscription',
  customer: fresh('cus'),
  status: 'active',
  currency: 'usd',
  created: now(),
  start_date: now(),
  metadata: {},
  items: {
    object: 'list',
    data: [
      {
        id: fresh('si'),
        object: 'subscription_item',
        quantity: 1,
        current_period_start: now(),
        current_period_end: now() + 30 * 86_400,
        price: {
          id: 'price_pro',
          object: 'price',
          product: 'prod_pro',
          unit_amount: 2900,
          currency: 'usd',
          recurring: { interval: 'month', interval_count: 1 },
        },
      },
    ],
  },
  ...fields,
})

/** A completed Checkout session that was paid. */
export const sessionObject = (fields: object = {}) => ({
  id: fresh('cs_test'),
  object: 'checkout.session',
  mode: 'payment',
  payment_status: 'paid',
  status: 'complete',
  currency: 'usd',
  amount_subtotal: 5000,
  amount_total: 5000,
  customer: null,
  invoice: null,
  subscription: null,
  payment_intent: fresh('pi'),
  metadata: {},
  ...fields,
})

/** A line of an invoice that is bought once. */
export const itemLine = (fields: object = {}) => ({
  id: fresh('il'),
  object: 'line_item',
  amount: 5000,
  currency: 'usd',
  description: 'Setup',
  quantity: 1,
  parent: { type: 'invoice_item_details', invoice_item_details: { invoice_item: fresh('ii'), proration: false } },
  period: { start: now(), end: now() },
  pricing: {
    type: 'price_details',
    price_details: { price: 'price_setup', product: 'prod_setup' },
    unit_amount_decimal: '5000',
  },
  ...fields,
})

/** A paid invoice with these lines. */
export const invoiceObject = (lines: object[], fields: object = {}) => ({
  id: fresh('in'),
  object: 'invoice',
  number: 'ACME-1',
  status: 'paid',
  currency: 'usd',
  billing_reason: 'manual',
  customer: fresh('cus'),
  subtotal: 5000,
  total: 5000,
  amount_due: 5000,
  amount_paid: 5000,
  amount_remaining: 0,
  attempt_count: 1,
  created: now(),
  metadata: {},
  status_transitions: { paid_at: now() },
  lines: { object: 'list', data: lines, has_more: false },
  ...fields,
})
