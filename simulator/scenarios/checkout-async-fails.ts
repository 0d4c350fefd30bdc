import { createOneOffPrice } from '../catalog.ts'
import { openSession, payByBank } from '../checkout.ts'
import { checkoutVisitor, defineScenario } from '../scenario.ts'

export default defineScenario({
  name: 'checkout-async-fails',
  about: 'A bank debit that bounces: nothing was bought.',
  play(world) {
    const basket = [{ price: createOneOffPrice(world, 'Workshop', 15000, 'eur') }]
    payByBank(world, openSession(world, 'payment', basket)).bouncePayment()
  },
  flo: [],
  florentin: [checkoutVisitor],
})
