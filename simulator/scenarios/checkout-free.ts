import { createOneOffPrice } from '../catalog.ts'
import { openSession, takeForFree } from '../checkout.ts'
import { defineScenario } from '../scenario.ts'

export default defineScenario({
  name: 'checkout-free',
  about: 'A Checkout page with nothing to pay: there is no payment, yet something was bought.',
  play(world) {
    takeForFree(world, openSession(world, 'payment', [{ price: createOneOffPrice(world, 'Sample', 0) }]))
  },
  flo: ['item.purchased'],
  florentin: [],
})
