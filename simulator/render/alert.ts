import type { Alert } from '../objects/billing.ts'
import { type Fields, livemode, since, until } from './fields.ts'

const RENAMED = '2024-09-30'
const thresholdOf = ({ threshold, meter }: Alert) => ({ gte: threshold, meter, recurrence: 'one_time' })

export const alertFields: Fields<Alert> = {
  object: 'billing.alert_triggered',
  alert: {
    id: ({ alert }: Alert) => alert,
    object: 'billing.alert',
    alert_type: 'usage_threshold',
    filter: until(RENAMED, null),
    livemode,
    status: 'active',
    title: ({ title }: Alert) => title,
    usage_threshold: since(RENAMED, (alert: Alert) => ({ filters: null, ...thresholdOf(alert) })),
    usage_threshold_config: until(RENAMED, thresholdOf),
  },
  created: ({ created }) => created,
  customer: ({ customer }) => customer,
  livemode,
  value: ({ value }) => value,
}
