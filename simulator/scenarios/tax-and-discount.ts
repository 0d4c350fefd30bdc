import { plan } from '../catalog.ts'
import { coupon, customer, discountLines } from '../customers.ts'
import { renew } from '../cycles.ts'
import type { Line } from '../facts.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { newId } from '../world.ts'

export default scenario({
  name: 'tax-and-discount',
  about: 'Ten per cent off, and nineteen per cent of tax on top of the rest.',
  play(world) {
    const [pro, seat] = [plan(world, 'Pro', 2900), plan(world, 'Seat', 1000)]
    const [tenOff, rate] = [coupon(world, 10), newId(world, 'txr')]
    const adjust = (lines: Line[]) => {
      discountLines(lines, tenOff)
      for (const line of lines) line.tax = { rate, amount: Math.round((line.amount - line.discount!.amount) * 0.19) }
    }
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }, { price: seat, quantity: 2 }], { adjust })
    renew(world, ada, subscription, { adjust })
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...bought, 'invoice.created'],
})
