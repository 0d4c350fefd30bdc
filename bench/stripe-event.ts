// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one object literal, as Stripe sends it.
const subscriptionObject = (n: string) => ({
  id: `evt_${n}`,
  object: 'event',
  api_version: '2026-10-28.endive',
  created: Math.floor(Date.now() / 1000),
  data: {
    object: {
      id: `sub_${n}`,
      object: 'subscription',
      application: null,
      automatic_tax: { disabled_reason: null, enabled: false, liability: null },
      billing_cycle_anchor: 1780000000,
      billing_mode: { type: 'flexible' },
      cancel_at: null,
      cancel_at_period_end: false,
      canceled_at: null,
      cancellation_details: { comment: null, feedback: null, reason: null },
      collection_method: 'charge_automatically',
      created: 1780000000,
      currency: 'usd',
      customer: `cus_${n}`,
      default_payment_method: `pm_${n}`,
      default_tax_rates: [],
      description: null,
      discounts: [],
      ended_at: null,
      items: {
        object: 'list',
        data: [
          {
            id: `si_${n}`,
            object: 'subscription_item',
            created: 1780000001,
            current_period_end: 1782592000,
            current_period_start: 1780000000,
            discounts: [],
            metadata: {},
            price: {
              id: 'price_pro_monthly',
              object: 'price',
              active: true,
              billing_scheme: 'per_unit',
              created: 1770000000,
              currency: 'usd',
              livemode: false,
              lookup_key: null,
              metadata: {},
              nickname: 'Pro',
              product: 'prod_pro',
              recurring: {
                interval: 'month',
                interval_count: 1,
                meter: null,
                trial_period_days: null,
                usage_type: 'licensed',
              },
              tax_behavior: 'unspecified',
              tiers_mode: null,
              transform_quantity: null,
              type: 'recurring',
              unit_amount: 2900,
              unit_amount_decimal: '2900',
            },
            quantity: 1,
            subscription: `sub_${n}`,
            tax_rates: [],
          },
        ],
        has_more: false,
        total_count: 1,
        url: `/v1/subscription_items?subscription=sub_${n}`,
      },
      latest_invoice: `in_${n}`,
      livemode: false,
      metadata: { client_user_id: `user_${n}` },
      pause_collection: null,
      start_date: 1780000000,
      status: 'active',
      test_clock: null,
      trial_end: null,
      trial_start: null,
    },
  },
  livemode: false,
  pending_webhooks: 1,
  request: { id: null, idempotency_key: null },
  type: 'customer.subscription.created',
})

const MARK = '%%n%%'
/** Of the subscription's metadata. */
const USER = /"metadata":\{(?="client_user_id")/
const parts = JSON.stringify(subscriptionObject(MARK)).split(MARK)

/**
 * A `customer.subscription.created` of a customer of its own, about 2 KB, the median of recorded events. It carries its
 * user, so that nothing has to wait for one. `n` makes all of its ids. `also` is put into the event and into the metadata of its
 * subscription: `"account":"acct_1"`.
 */
export function stripeEvent(n: string, also: { event?: string; metadata?: string } = {}): string {
  const event = parts.join(n)
  if (also.event) return `{${also.event},${event.slice(1)}`
  return also.metadata ? event.replace(USER, `$&${also.metadata},`) : event
}
