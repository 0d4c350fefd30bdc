import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { cancelAtDate } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { reachEnd } from '../cycles.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'cancel-at-date',
  about: 'A cancellation for a date of its own, which is then moved.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, 5 * DAY)
    cancelAtDate(world, subscription, world.now + 10 * DAY)
    advanceClock(world, DAY)
    cancelAtDate(world, subscription, world.now + 14 * DAY)
    reachEnd(world, subscription)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.updated', 'subscription.expired'],
  florentin: [...firstPurchase, 'subscription.cancelled'],
})
