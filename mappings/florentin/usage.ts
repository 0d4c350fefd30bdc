import { florentinUsage } from '../../src/contracts/florentin.ts'
import { idOf } from '../../src/language/converters.ts'
import { always, defineMapping, firstOf, on, reading, userOf } from '../../src/language/words.ts'
import { customerEmail, customerMetadata } from '../accessors/facts.ts'
import { envelope } from './envelope.ts'

const alert = on('billing.alert.triggered')
const { from, has, legacy } = alert
/** The meter of an alert, where the event carries the whole of it. */
const expanded = reading<{ alert: { usage_threshold: { meter: { event_name: string } } } }>()

const customer = from('customer')
const user = userOf(customer, { clientUserId: [customerMetadata(customer)], email: [customerEmail(customer)] })

/** `usage.metrics_updated` where Stripe reports usage: an alert says how much of a meter a customer has used. */
export default defineMapping({
  name: 'florentin/usage',
  on: alert,
  to: florentinUsage,
  user,
  total: [],
  waitFor: [],

  rules: [
    { emit: 'usage.metrics_updated', when: has('alert.alert_type', 'usage_threshold') },
    { ignore: 'not_usage', because: 'The alert is about something other than the use of a meter.' },
  ],

  body: {
    ...envelope,
    data: {
      usage: {
        metric: firstOf(
          expanded.from('alert.usage_threshold.meter.event_name'),
          idOf(from('alert.usage_threshold.meter')),
          idOf(legacy<string>('alert.usage_threshold_config.meter', { until: '2024-09-30.acacia' })),
          from('alert.title'),
        ),
        value: from('value'),
        unit: always(null),
        period_start: always(null),
        period_end: always(null),
      },
    },
  },
  news: {},
})
