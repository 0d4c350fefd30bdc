import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import type { Line } from '../facts.ts'
import { cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { newId } from '../world.ts'

export default scenario({
  name: 'tax-and-discount',
  about: 'Ten per cent off, and nineteen per cent of tax on top of the rest.',
  play(world) {
    const [pro, seat] = [plan(world, 'Pro', 2900), plan(world, 'Seat', 1000)]
    const [coupon, rate] = [newId(world, 'di'), newId(world, 'txr')]
    const adjust = (lines: Line[]) => {
      for (const line of lines) {
        line.discount = { id: coupon, amount: Math.round(line.amount * 0.1) }
        line.tax = { rate, amount: Math.round((line.amount - line.discount.amount) * 0.19) }
      }
    }
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }, { price: seat, quantity: 2 }], { adjust })
    renew(world, ada, subscription, { adjust })
  },
  expect: [...firstPayment, ...cycle],
})
