import { DAY } from '../calendar.ts'
import { goods } from '../catalog.ts'
import { open, payByBank } from '../checkout.ts'
import { arrive, refund } from '../refunds.ts'
import { scenario, visitor } from '../scenario.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'refund-pending',
  about: 'A refund to a bank account takes days: it counts when it arrives.',
  play(world) {
    const charge = payByBank(
      world,
      open(world, 'payment', [{ price: goods(world, 'Workshop', 15000, 'eur') }]),
    ).arrives()
    wait(world, DAY)
    const given = refund(world, charge, 15000, { pending: true })
    wait(world, 5 * DAY)
    arrive(world, given)
  },
  flo: ['item.purchased', 'item.refunded'],
  florentin: [visitor],
})
