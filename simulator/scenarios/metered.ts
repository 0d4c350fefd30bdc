import { createPrice, createProduct } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPurchase, trialStart } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'metered',
  about: 'Usage at a fraction of a cent each: nothing at the start, the past month at its end.',
  play(world) {
    const calls = createPrice(world, createProduct(world, 'API calls'), '0.25', { usage: 'metered' })
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: calls }])
    renewSubscription(world, ada, subscription, { usage: 12_345 })
  },
  flo: [...trialStart, ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
