import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { openSession, payByBank } from '../checkout.ts'
import { completeRefund, createRefund } from '../refunds.ts'
import { checkoutVisitor, defineScenario } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'refund-pending',
  about: 'A refund to a bank account takes days: it counts when it arrives.',
  play(world) {
    const charge = payByBank(
      world,
      openSession(world, 'payment', [{ price: createOneOffPrice(world, 'Workshop', 15000, 'eur') }]),
    ).settlePayment()
    advanceClock(world, DAY)
    const given = createRefund(world, charge, 15000, { pending: true })
    advanceClock(world, 5 * DAY)
    completeRefund(world, given)
  },
  flo: ['item.purchased', 'item.refunded'],
  florentin: [checkoutVisitor],
})
