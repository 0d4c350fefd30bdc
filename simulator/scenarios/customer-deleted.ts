import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { deleteCustomer } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'customer-deleted',
  about: 'A customer is deleted, and their subscription ends with them.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, 20 * DAY)
    deleteCustomer(world, ada)
  },
  flo: [...firstPayment, 'subscription.expired'],
  florentin: firstPurchase,
})
