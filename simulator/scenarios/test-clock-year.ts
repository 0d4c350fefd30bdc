import { createPlan } from '../catalog.ts'
import { cancelAtPeriodEnd } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { reachEnd, renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { startTestClock } from '../world.ts'

const RENEWALS = 11

export default defineScenario({
  name: 'test-clock-year',
  about: 'A year under a test clock: its events are created within seconds, many in the same one.',
  play(world) {
    startTestClock(world)
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    for (let month = 0; month < RENEWALS; month += 1) renewSubscription(world, ada, subscription)
    cancelAtPeriodEnd(world, subscription)
    reachEnd(world, subscription)
  },
  flo: [
    ...firstPayment,
    ...Array.from({ length: RENEWALS }, () => cycle).flat(),
    'subscription.cancelled',
    'subscription.expired',
  ],
  florentin: [...firstPurchase, ...Array.from({ length: RENEWALS }, () => 'invoice.created'), 'subscription.cancelled'],
})
