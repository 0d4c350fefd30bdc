import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { openSession, payByBank } from '../checkout.ts'
import { createRefund, failRefund } from '../refunds.ts'
import { checkoutVisitor, defineScenario } from '../scenario.ts'
import { ACACIA } from '../versions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'refund-fails',
  about: 'A refund to a bank account comes back. Before acacia its charge alone told it, at once.',
  play(world) {
    const charge = payByBank(
      world,
      openSession(world, 'payment', [{ price: createOneOffPrice(world, 'Workshop', 15000, 'eur') }]),
    ).settlePayment()
    advanceClock(world, DAY)
    const given = createRefund(world, charge, 15000, { pending: true })
    advanceClock(world, 5 * DAY)
    failRefund(world, charge, given)
  },
  // Where the charge shows its refunds, it shows that this one is on its way.
  flo: [
    'item.purchased',
    { type: 'item.refunded', before: '2015-01-11' },
    { type: 'item.refunded', since: '2022-11-15', before: ACACIA },
  ],
  florentin: [checkoutVisitor],
})
