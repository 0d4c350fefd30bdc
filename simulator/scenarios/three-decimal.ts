import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'three-decimal',
  about: 'Kuwaiti dinars have three decimals, of which Stripe uses two: 9990 is 9.990 KWD.',
  play(world) {
    const pro = createPlan(world, 'Pro', 9990, 'kwd')
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    renewSubscription(world, ada, subscription)
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
