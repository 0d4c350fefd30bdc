import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { cancelInPortal, undoCancellation } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'reactivated',
  about: 'The customer cancels in the portal, thinks better of it and renews.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, 9 * DAY)
    cancelInPortal(world, subscription)
    advanceClock(world, DAY)
    undoCancellation(world, subscription)
    renewSubscription(world, ada, subscription)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.reactivated', ...cycle],
  florentin: [...firstPurchase, 'subscription.cancelled', 'invoice.created'],
})
