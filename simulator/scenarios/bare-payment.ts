import { createCustomer } from '../customers.ts'
import { payBare } from '../payments.ts'
import { defineScenario } from '../scenario.ts'

export default defineScenario({
  name: 'bare-payment',
  about: 'Two payments without invoice or Checkout: the one whose metadata names a product is a purchase.',
  play(world) {
    const ada = createCustomer(world)
    payBare(world, ada, 1999, {})
    payBare(world, ada, 4900, { flo_product: 'workshop' })
  },
  flo: ['item.purchased'],
  florentin: ['account.created'],
})
