import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'zero-decimal',
  about: 'Japanese yen have no smaller unit: 2900 is ¥2,900.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900, 'jpy')
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro, quantity: 3 }])
    renewSubscription(world, ada, subscription)
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
