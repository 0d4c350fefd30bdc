import type { Item, Subscription } from '../objects/billing.ts'
import { present } from '../present.ts'
import { BASIL, CLOVER, ENDIVE } from '../versions.ts'
import { planFields, priceFields } from './catalog.ts'
import {
  added,
  between,
  either,
  type Fields,
  livemode,
  renderList,
  renderObject,
  type Shape,
  since,
  until,
} from './fields.ts'

type One = Subscription
type ItemOf = { id: string; item: Item; subscription: Subscription }

const itemFields: Fields<ItemOf> = {
  id: ({ item }) => item.id,
  object: 'subscription_item',
  billed_until: since('2026-05-27', ({ item }: ItemOf) => item.billedUntil ?? undefined),
  billing_thresholds: either(between('2020-03-02', BASIL, null), since(CLOVER, null)),
  created: ({ item }) => item.created,
  current_period_end: since(BASIL, ({ item, subscription }: ItemOf) => item.period?.end ?? subscription.periodEnd),
  current_period_start: since(
    BASIL,
    ({ item, subscription }: ItemOf) => item.period?.start ?? subscription.periodStart,
  ),
  current_trial: added(ENDIVE, trialOf, ({ item }) => item.trialOffer !== null),
  discounts: since('2024-04-12', []),
  metadata: () => ({}),
  plan: ({ item }, shape) => renderObject(planFields, item.price, shape),
  price: since('2020-08-27', ({ item }: ItemOf, shape: Shape) => renderObject(priceFields, item.price, shape)),
  quantity: ({ item }) => item.quantity ?? undefined,
  subscription: ({ subscription }) => subscription.id,
  tax_rates: since('2020-03-02', []),
}

function trialOf({ item: { trialOffer } }: ItemOf) {
  return trialOffer && { end_date: trialOffer.end, start_date: trialOffer.start, trial_offer: trialOffer.id }
}

/** A subscription of one item shows its plan and quantity at the top too, in every version that was recorded. */
const onlyItem = ({ items }: One): Item | null => (items.length === 1 ? present(items[0]) : null)
const pauseDetails = ({ paused }: One) =>
  paused && {
    paused: { type: 'subscription', transitioned_at: paused.at, subscription: { type: paused.why } },
  }
/** A date of its own, as opposed to the one that comes with the boolean. */
const hasOwnDate = ({ cancelAt, cancelAtPeriodEnd }: One) => cancelAt !== null && !cancelAtPeriodEnd

export const subscriptionFields: Fields<One> = {
  id: ({ id }) => id,
  object: 'subscription',
  application: since('2022-08-01', null),
  application_fee_percent: null,
  automatic_tax: since('2020-08-27', {
    disabled_reason: since(BASIL, null),
    enabled: false,
    liability: since('2024-06-20', null),
  }),
  billing: between('2018-02-05', '2019-10-17', ({ collection }: One) => collection),
  billing_cycle_anchor: since('2018-02-05', ({ anchor }: One) => anchor),
  billing_cycle_anchor_config: since('2024-06-20', null),
  billing_mode: since(CLOVER, ({ flexible, created }: One) =>
    flexible
      ? { flexible: { proration_discounts: 'included' }, type: 'flexible', updated_at: created }
      : { flexible: null, type: 'classic' },
  ),
  billing_schedules: since('2026-05-27', schedulesOf),
  billing_thresholds: either(between('2020-03-02', BASIL, null), since(CLOVER, null)),
  cancel_at: added('2020-03-02', ({ cancelAt }: One) => cancelAt, hasOwnDate),
  cancel_at_period_end: ({ cancelAtPeriodEnd }) => cancelAtPeriodEnd,
  canceled_at: ({ canceledAt }) => canceledAt,
  cancellation_details: since('2023-08-16', {
    comment: null,
    feedback: null,
    reason: ({ cancellationReason }: One) => cancellationReason,
  }),
  collection_method: since('2019-10-17', ({ collection }: One) => collection),
  created: since('2018-02-05', ({ created }: One) => created),
  currency: since('2022-08-01', ({ items }: One) => present(items[0]).price.currency),
  current_period_end: until(BASIL, ({ periodEnd }: One) => periodEnd),
  current_period_start: until(BASIL, ({ periodStart }: One) => periodStart),
  customer: ({ customer }) => customer,
  customer_account: since('2025-12-15', null),
  days_until_due: since('2018-02-05', ({ daysUntilDue }: One) => daysUntilDue),
  default_payment_method: since('2020-03-02', ({ paymentMethod }: One) => paymentMethod),
  default_source: since('2018-11-08', null),
  default_tax_rates: since('2020-03-02', []),
  description: since('2022-08-01', null),
  discount: until(BASIL, null),
  discounts: since('2024-04-12', []),
  ended_at: ({ endedAt }) => endedAt,
  invoice_settings: since('2024-06-20', {
    account_tax_ids: null,
    custom_fields: since('2026-08-26', null),
    description: since('2026-08-26', null),
    footer: since('2026-08-26', null),
    issuer: { type: 'self' },
  }),
  items: added('2018-02-05', itemsOf, ({ items }) => items.length > 1),
  latest_invoice: since('2020-03-02', ({ latestInvoice }: One) => latestInvoice),
  livemode: since('2018-02-05', livemode),
  managed_payments: since('2026-05-27', { enabled: false }),
  metadata: ({ metadata }) => metadata,
  next_pending_invoice_item_invoice: since('2020-03-02', null),
  on_behalf_of: since('2022-11-15', null),
  pause_collection: added('2020-03-02', pauseOf, ({ pauseCollection }) => pauseCollection !== null),
  payment_settings: since('2020-08-27', {
    payment_method_options: null,
    payment_method_types: null,
    save_default_payment_method: since('2022-08-01', 'off'),
  }),
  pending_invoice_item_interval: since('2020-03-02', null),
  pending_setup_intent: since('2020-03-02', null),
  pending_update: since('2020-03-02', null),
  plan: (subscription, shape) => {
    const item = onlyItem(subscription)
    return item && renderObject(planFields, item.price, shape)
  },
  quantity: (subscription) => {
    const item = onlyItem(subscription)
    return item ? (item.quantity ?? undefined) : null
  },
  schedule: added(
    '2020-03-02',
    ({ schedule }: One) => schedule,
    ({ schedule }) => schedule !== null,
  ),
  // https://docs.stripe.com/changelog/2019-10-17/replaces-subscription-start-field
  start: until('2019-10-17', ({ configuredAt }: One) => configuredAt),
  start_date: since('2019-10-17', ({ startDate }: One) => startDate),
  status: ({ status }) => status,
  status_details: since(ENDIVE, (subscription: One) => pauseDetails(subscription) ?? undefined),
  tax_percent: until('2020-08-27', null),
  test_clock: added(
    '2020-08-27',
    ({ testClock }: One) => testClock,
    ({ testClock }) => testClock !== null,
  ),
  transfer_data: since('2020-03-02', null),
  trial_end: ({ trialEnd }) => trialEnd,
  trial_settings: since('2023-08-16', {
    end_behavior: {
      billing_cycle_anchor: since(ENDIVE, null),
      missing_payment_method: ({ missingPaymentMethod }: One) => missingPaymentMethod,
    },
  }),
  trial_start: ({ trialStart }) => trialStart,
}

/** How far ahead of its periods the subscription is billed. */
function schedulesOf({ items }: One) {
  const until = present(items[0]).billedUntil
  if (until === null) return []
  const billUntil = { computed_timestamp: until, duration: null, timestamp: until, type: 'timestamp' }
  return [{ applies_to: null, bill_until: billUntil, key: 'prebilled' }]
}

function itemsOf(subscription: One, shape: Shape) {
  const data = subscription.items.map((item) => renderObject(itemFields, { id: item.id, item, subscription }, shape))
  return renderList(data, `/v1/subscription_items?subscription=${subscription.id}`)
}

function pauseOf({ pauseCollection }: One) {
  return pauseCollection && { behavior: pauseCollection.behavior, resumes_at: pauseCollection.resumesAt }
}
