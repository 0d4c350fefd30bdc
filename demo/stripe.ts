/** A Stripe event as it goes over the wire. */
export interface StripeEvent {
  id: string
  type: string
  created: number
  data: { object: object; previous_attributes?: object }
}

export const CUSTOMER = 'cus_TQkD1Ada4Lovel'
const SUBSCRIPTION = 'sub_1SQkD2DemoLife0001'
const DAY = 86_400

/** A plan of the demo's shop: Stripe's price and product. */
export interface Plan {
  price: string
  product: string
  name: string
  cents: number
}
export const pro: Plan = { price: 'price_1SQkD0Pro', product: 'prod_TQkDPro', name: 'Pro', cents: 2900 }
export const team: Plan = { price: 'price_1SQkD0Team', product: 'prod_TQkDTeam', name: 'Team', cents: 9900 }

/** Unix seconds of a day of the story; it ends today, so that dates look like yours. */
export function newCalendar(lastDay: number): (day: number) => number {
  const noon = Math.floor(Date.now() / 1000 / DAY) * DAY - DAY / 2
  return (day) => noon + Math.round((day - lastDay) * DAY)
}

/** The envelope that Stripe puts around an object under API version 2025-09-30.clover. */
export function stripeEvent(
  { serial, created, type }: { serial: number; created: number; type: string },
  object: object,
  previous?: object,
): StripeEvent {
  return {
    id: `evt_1SQkDemo${String(serial).padStart(8, '0')}`,
    object: 'event',
    api_version: '2025-09-30.clover',
    created,
    data: previous ? { object, previous_attributes: previous } : { object },
    livemode: false,
    pending_webhooks: 1,
    request: { id: null, idempotency_key: null },
    type,
  } as StripeEvent
}

export const productObject = ({ product: id, name }: Plan, created: number) => ({
  id,
  object: 'product',
  active: true,
  created,
  default_price: null,
  description: `The ${name} plan`,
  images: [],
  livemode: false,
  metadata: {},
  name,
  tax_code: null,
  type: 'service',
  unit_label: null,
  updated: created,
  url: null,
})

export const customerObject = (created: number) => ({
  id: CUSTOMER,
  object: 'customer',
  address: null,
  balance: 0,
  created,
  currency: null,
  default_source: null,
  delinquent: false,
  description: null,
  email: 'ada@example.com',
  invoice_prefix: 'ADA',
  livemode: false,
  metadata: {},
  name: 'Ada Lovelace',
  phone: null,
  preferred_locales: [],
  shipping: null,
  tax_exempt: 'none',
  test_clock: null,
})

/** What changes in the life of the subscription. */
export interface SubscriptionLife {
  plan: Plan
  status: 'trialing' | 'active' | 'canceled'
  start: number
  trialEnd: number
  period: [start: number, end: number]
  cancelAt: number | null
  canceledAt: number | null
  endedAt: number | null
}

export const subscriptionObject = (life: SubscriptionLife) => ({
  id: SUBSCRIPTION,
  object: 'subscription',
  application: null,
  automatic_tax: { disabled_reason: null, enabled: false, liability: null },
  billing_cycle_anchor: life.trialEnd,
  billing_mode: { flexible: { proration_discounts: 'included' }, type: 'flexible' },
  cancel_at: life.cancelAt,
  cancel_at_period_end: false,
  canceled_at: life.canceledAt,
  cancellation_details: {
    comment: null,
    feedback: null,
    reason: life.canceledAt === null ? null : 'cancellation_requested',
  },
  collection_method: 'charge_automatically',
  created: life.start,
  currency: 'usd',
  customer: CUSTOMER,
  days_until_due: null,
  default_payment_method: 'pm_1SQkDemoVisa',
  description: null,
  discounts: [],
  ended_at: life.endedAt,
  items: {
    object: 'list',
    data: [
      {
        id: 'si_TQkDemoItem1',
        object: 'subscription_item',
        created: life.start,
        current_period_end: life.period[1],
        current_period_start: life.period[0],
        discounts: [],
        metadata: {},
        price: priceObject(life.plan, life.start),
        quantity: 1,
        subscription: SUBSCRIPTION,
        tax_rates: [],
      },
    ],
    has_more: false,
    total_count: 1,
    url: `/v1/subscription_items?subscription=${SUBSCRIPTION}`,
  },
  livemode: false,
  metadata: {},
  pause_collection: null,
  schedule: null,
  start_date: life.start,
  status: life.status,
  test_clock: null,
  trial_end: life.trialEnd,
  trial_start: life.start,
})

const priceObject = ({ price: id, product, name, cents }: Plan, created: number) => ({
  id,
  object: 'price',
  active: true,
  billing_scheme: 'per_unit',
  created,
  currency: 'usd',
  livemode: false,
  lookup_key: null,
  metadata: {},
  nickname: name,
  product,
  recurring: { interval: 'month', interval_count: 1, meter: null, trial_period_days: null, usage_type: 'licensed' },
  tax_behavior: 'unspecified',
  tiers_mode: null,
  type: 'recurring',
  unit_amount: cents,
  unit_amount_decimal: String(cents),
})

/** What tells one invoice from another. */
export interface Bill {
  number: number
  reason: 'subscription_create' | 'subscription_cycle'
  plan: Plan
  cents: number
  created: number
  period: [start: number, end: number]
}

/** An invoice in one of its states; `paidAt` is when it was paid, of a paid one. */
export function invoiceObject(bill: Bill, status: 'draft' | 'open' | 'paid', at: number) {
  const id = `in_1SQkDemoBill000${bill.number}`
  const paid = status === 'paid' ? bill.cents : 0
  return {
    id,
    object: 'invoice',
    account_country: 'US',
    account_name: 'Demo shop',
    amount_due: bill.cents,
    amount_overpaid: 0,
    amount_paid: paid,
    amount_remaining: bill.cents - paid,
    attempt_count: status === 'paid' && bill.cents > 0 ? 1 : 0,
    attempted: status === 'paid',
    auto_advance: status !== 'paid',
    billing_reason: bill.reason,
    collection_method: 'charge_automatically',
    created: bill.created,
    currency: 'usd',
    customer: CUSTOMER,
    customer_email: 'ada@example.com',
    customer_name: 'Ada Lovelace',
    description: null,
    discounts: [],
    due_date: null,
    hosted_invoice_url: status === 'draft' ? null : `https://invoice.stripe.com/i/demo/${id}`,
    invoice_pdf: status === 'draft' ? null : `https://pay.stripe.com/invoice/demo/${id}/pdf`,
    lines: {
      object: 'list',
      data: [lineObject(id, bill)],
      has_more: false,
      total_count: 1,
      url: `/v1/invoices/${id}/lines`,
    },
    livemode: false,
    metadata: {},
    number: status === 'draft' ? null : `ADA-000${bill.number}`,
    parent: {
      quote_details: null,
      subscription_details: { metadata: {}, subscription: SUBSCRIPTION },
      type: 'subscription_details',
    },
    period_end: bill.created,
    period_start: bill.created - (bill.period[1] - bill.period[0]),
    status,
    status_transitions: {
      finalized_at: status === 'draft' ? null : at,
      marked_uncollectible_at: null,
      paid_at: status === 'paid' ? at : null,
      voided_at: null,
    },
    subtotal: bill.cents,
    total: bill.cents,
    total_discount_amounts: [],
    total_taxes: [],
  }
}

const lineObject = (invoiceId: string, { number, plan, cents, period }: Bill) => ({
  id: `il_1SQkDemoLine000${number}`,
  object: 'line_item',
  amount: cents,
  currency: 'usd',
  description: cents === 0 ? `Trial period for ${plan.name}` : `1 × ${plan.name} (at $${cents / 100}.00 / month)`,
  discount_amounts: [],
  discounts: [],
  invoice: invoiceId,
  livemode: false,
  metadata: {},
  parent: {
    invoice_item_details: null,
    subscription_item_details: {
      invoice_item: null,
      proration: false,
      proration_details: { credited_items: null },
      subscription: SUBSCRIPTION,
      subscription_item: 'si_TQkDemoItem1',
    },
    type: 'subscription_item_details',
  },
  period: { start: period[0], end: period[1] },
  pricing: {
    price_details: { price: plan.price, product: plan.product },
    type: 'price_details',
    unit_amount_decimal: String(cents),
  },
  quantity: 1,
  taxes: [],
})
