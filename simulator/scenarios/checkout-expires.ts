import { createOneOffPrice } from '../catalog.ts'
import { expireSession, openSession } from '../checkout.ts'
import { defineScenario } from '../scenario.ts'

export default defineScenario({
  name: 'checkout-expires',
  about: 'A Checkout page that nobody pays.',
  play(world) {
    expireSession(world, openSession(world, 'payment', [{ price: createOneOffPrice(world, 'Workshop', 15000) }]))
  },
  flo: [],
  florentin: [],
})
