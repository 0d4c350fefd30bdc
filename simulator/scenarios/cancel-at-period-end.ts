import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { cancelAtPeriodEnd } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { reachEnd } from '../cycles.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'cancel-at-period-end',
  about: 'A cancellation is asked for through the API and comes true at the end of the month.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, 9 * DAY)
    cancelAtPeriodEnd(world, subscription)
    reachEnd(world, subscription)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.expired'],
  florentin: [...firstPurchase, 'subscription.cancelled'],
})
