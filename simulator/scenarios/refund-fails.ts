import { DAY } from '../calendar.ts'
import { goods } from '../catalog.ts'
import { open, payByBank } from '../checkout.ts'
import { bounce, refund } from '../refunds.ts'
import { scenario, visitor } from '../scenario.ts'
import { ACACIA } from '../versions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'refund-fails',
  about: 'A refund to a bank account comes back. Before acacia its charge alone told it, at once.',
  play(world) {
    const charge = payByBank(
      world,
      open(world, 'payment', [{ price: goods(world, 'Workshop', 15000, 'eur') }]),
    ).arrives()
    wait(world, DAY)
    const given = refund(world, charge, 15000, { pending: true })
    wait(world, 5 * DAY)
    bounce(world, charge, given)
  },
  flo: ['item.purchased', { type: 'item.refunded', before: ACACIA }],
  florentin: [visitor],
})
