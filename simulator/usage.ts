import type { Customer } from './objects/billing.ts'
import { newId, recordEvent, type World } from './world.ts'

/** The customer's use of a meter reaches the threshold of an alert: by then it is `value`. */
export const reachThreshold = (world: World, customer: Customer, threshold: number, value: number): void =>
  recordEvent(world, 'billing.alert.triggered', {
    kind: 'billing.alert_triggered',
    id: null,
    created: world.now,
    alert: newId(world, 'alrt'),
    title: `${threshold} calls`,
    meter: newId(world, 'mtr'),
    threshold,
    customer: customer.id,
    value,
  })
