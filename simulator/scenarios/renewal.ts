import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'renewal',
  about: 'A monthly subscription is announced a week before, renewed and paid.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    renewSubscription(world, ada, subscription, { isAnnounced: true })
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
