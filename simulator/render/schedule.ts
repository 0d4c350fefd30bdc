import type { Schedule } from '../objects/billing.ts'
import { present } from '../present.ts'
import { BASIL, CLOVER, ENDIVE } from '../versions.ts'
import { either, type Fields, livemode, type Shape, since, until } from './fields.ts'

type Phase = Schedule['phases'][number]
export const scheduleFields: Fields<Schedule> = {
  id: ({ id }) => id,
  object: 'subscription_schedule',
  application: since('2022-08-01', null),
  billing_mode: since(CLOVER, ({ flexible }: Schedule) =>
    flexible
      ? { flexible: { proration_discounts: 'included' }, type: 'flexible' }
      : { flexible: null, type: 'classic' },
  ),
  canceled_at: null,
  completed_at: ({ completedAt }) => completedAt,
  created: ({ created }) => created,
  current_phase: ({ currentPhase, phases }) =>
    currentPhase === null
      ? null
      : { end_date: present(phases[currentPhase]).end, start_date: present(phases[currentPhase]).start },
  customer: ({ customer }) => customer,
  customer_account: since('2025-12-15', null),
  default_settings: {
    application_fee_percent: null,
    automatic_tax: {
      disabled_reason: since(BASIL, null),
      enabled: false,
      liability: since('2024-06-20', null),
    },
    billing_cycle_anchor: 'automatic',
    billing_thresholds: either(until(BASIL, null), since(CLOVER, null)),
    collection_method: 'charge_automatically',
    default_payment_method: null,
    default_source: until('2022-08-01', null),
    description: since('2022-11-15', null),
    invoice_settings: either(
      until('2024-06-20', null),
      since('2024-06-20', {
        account_tax_ids: null,
        custom_fields: since('2026-08-26', null),
        days_until_due: null,
        description: since('2026-08-26', null),
        footer: since('2026-08-26', null),
        issuer: { type: 'self' },
      }),
    ),
    on_behalf_of: since('2022-11-15', null),
    transfer_data: null,
  },
  end_behavior: ({ endBehavior }) => endBehavior,
  livemode,
  metadata: () => ({}),
  pause_schedules: since(ENDIVE, []),
  phases: (schedule, shape) => schedule.phases.map((phase) => phaseOf(phase, shape)),
  released_at: ({ releasedAt }) => releasedAt,
  released_subscription: ({ releasedSubscription }) => releasedSubscription,
  renewal_interval: until('2022-08-01', null),
  status: ({ status }) => status,
  subscription: ({ subscription }) => subscription,
  test_clock: since('2020-08-27', ({ testClock }: Schedule) => testClock),
}

function phaseOf({ start, end, items }: Phase, shape: Shape) {
  const { date } = shape
  return {
    add_invoice_items: [],
    application_fee_percent: null,
    billing_cycle_anchor: null,
    ...((date < BASIL || date >= CLOVER) && { billing_thresholds: null }),
    collection_method: null,
    ...(date < BASIL && { coupon: null }),
    ...(date >= '2022-11-15' && { currency: present(items[0]).price.currency, description: null, on_behalf_of: null }),
    default_payment_method: null,
    default_tax_rates: [],
    ...(date >= '2024-06-20' && { discounts: [] }),
    end_date: end,
    invoice_settings: null,
    items: items.map(({ price, quantity }) => ({
      ...((date < BASIL || date >= CLOVER) && { billing_thresholds: null }),
      ...(date >= '2024-06-20' && { discounts: [] }),
      ...(date >= '2023-10-16' && { metadata: {} }),
      ...((date < '2022-08-01' || date >= '2024-06-20') && { plan: price.id }),
      price: price.id,
      quantity,
      tax_rates: [],
    })),
    ...(date >= '2022-08-01' && { metadata: {} }),
    proration_behavior: 'create_prorations',
    start_date: start,
    transfer_data: null,
    trial_end: null,
  }
}
