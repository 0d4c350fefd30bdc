import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { cancelInPortal } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { reachEnd } from '../cycles.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'portal-cancel',
  about: 'The customer cancels in the portal: since clover that sets a date and leaves cancel_at_period_end false.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, 9 * DAY)
    cancelInPortal(world, subscription)
    reachEnd(world, subscription)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.expired'],
  florentin: [...firstPurchase, 'subscription.cancelled'],
})
