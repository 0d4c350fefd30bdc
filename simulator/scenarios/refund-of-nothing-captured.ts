import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { authorizeByCard, openSession } from '../checkout.ts'
import { checkoutVisitor, defineScenario } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'refund-of-nothing-captured',
  about:
    'A card is authorised on a Checkout page, and the payment cancelled: nothing was bought, and nothing is given back.',
  play(world) {
    const session = openSession(world, 'payment', [{ price: createOneOffPrice(world, 'Workshop', 15000) }])
    const { cancelPayment } = authorizeByCard(world, session)
    advanceClock(world, 2 * DAY)
    cancelPayment()
  },
  flo: [],
  florentin: [checkoutVisitor],
})
