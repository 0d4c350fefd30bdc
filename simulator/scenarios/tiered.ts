import { createPrice, createProduct } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'tiered',
  about: 'Graduated tiers: the price has no unit amount, the invoice a line for each tier.',
  play(world) {
    const tiers = [
      { upTo: 5, unitAmount: 1000 },
      { upTo: 20, unitAmount: 800 },
      { upTo: null, unitAmount: 500 },
    ]
    const seats = createPrice(world, createProduct(world, 'Seats'), null, { tiers })
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: seats, quantity: 25 }])
    renewSubscription(world, ada, subscription)
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
