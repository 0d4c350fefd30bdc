import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { cancelNow } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'immediate-cancel',
  about: 'A cancellation that ends the subscription at once.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const { subscription } = startSubscription(world, createCustomer(world), [{ price: pro }])
    advanceClock(world, 9 * DAY)
    cancelNow(world, subscription)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.expired'],
  florentin: [...firstPurchase, 'subscription.cancelled'],
})
