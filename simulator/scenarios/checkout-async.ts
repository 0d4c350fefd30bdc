import { createOneOffPrice } from '../catalog.ts'
import { openSession, payByBank } from '../checkout.ts'
import { checkoutVisitor, defineScenario } from '../scenario.ts'

export default defineScenario({
  name: 'checkout-async',
  about: 'A bank debit: the session is complete at once, the money arrives days later and only then is it a purchase.',
  play(world) {
    const basket = [{ price: createOneOffPrice(world, 'Workshop', 15000, 'eur') }]
    payByBank(world, openSession(world, 'payment', basket)).settlePayment()
  },
  flo: ['item.purchased'],
  florentin: [checkoutVisitor],
})
