import { florentinUsage } from '../../src/contracts/florentin.ts'
import { idOf } from '../../src/normalize/converters.ts'
import { always, defineMapping, firstOf, on, userOf } from '../../src/normalize/words.ts'
import { customerEmail, customerMetadata } from '../accessors/facts.ts'
import { envelope } from './envelope.ts'

const alert = on('billing.alert.triggered')
const { from } = alert

const customer = from('customer')
const user = userOf(customer, { told: [customerMetadata(customer)], email: [customerEmail(customer)] })

/** `usage.metrics_updated` where Stripe reports usage: an alert tells how much of a meter a customer has used. */
export default defineMapping({
  name: 'florentin/usage',
  on: alert,
  to: florentinUsage,
  user,
  total: [],
  waitFor: [],

  rules: [{ emit: 'usage.metrics_updated' }],

  body: {
    ...envelope,
    data: {
      usage: {
        metric: firstOf(
          from('alert.usage_threshold.meter.event_name' as never),
          idOf(from('alert.usage_threshold.meter')),
          always('usage'),
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
