import { createOneOffPrice } from '../catalog.ts'
import { openSession, payByCard } from '../checkout.ts'
import { checkoutVisitor, defineScenario } from '../scenario.ts'

export default defineScenario({
  name: 'checkout-payment',
  about: 'A visitor buys through a Checkout page: no customer, no invoice.',
  play(world) {
    const basket = [{ price: createOneOffPrice(world, 'Workshop', 15000) }]
    payByCard(world, openSession(world, 'payment', basket))
  },
  flo: ['item.purchased'],
  florentin: [checkoutVisitor],
})
