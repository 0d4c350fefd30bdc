import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { authorizeByCard, openSession } from '../checkout.ts'
import { createRefund } from '../refunds.ts'
import { checkoutVisitor, defineScenario } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'refund-of-captured-part',
  about: 'Of an authorised payment a part is captured, which is no refund of the rest; then the part is given back.',
  play(world) {
    const session = openSession(world, 'payment', [{ price: createOneOffPrice(world, 'Workshop', 15000) }])
    const { capturePayment } = authorizeByCard(world, session)
    advanceClock(world, DAY)
    const charge = capturePayment(9000)
    advanceClock(world, DAY)
    createRefund(world, charge, 9000)
  },
  flo: ['item.purchased', 'item.refunded'],
  florentin: [checkoutVisitor],
})
