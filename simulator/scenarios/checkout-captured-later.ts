import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { authorizeByCard, openSession } from '../checkout.ts'
import { checkoutVisitor, defineScenario } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'checkout-captured-later',
  about: 'A card is authorised on a Checkout page; it is a purchase when the money is captured, two days later.',
  play(world) {
    const session = openSession(world, 'payment', [{ price: createOneOffPrice(world, 'Workshop', 15000) }])
    const { capturePayment } = authorizeByCard(world, session)
    advanceClock(world, 2 * DAY)
    capturePayment(15000)
  },
  flo: ['item.purchased'],
  florentin: [checkoutVisitor],
})
