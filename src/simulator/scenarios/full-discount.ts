import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { renewForNothing } from '../cycles.ts'
import type { Line } from '../facts.ts'
import { firstPayment, scenario, settledInvoice } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { newId } from '../world.ts'

export default scenario({
  name: 'full-discount',
  about: 'A coupon pays for a whole month: the renewal costs nothing and is one all the same.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const coupon = newId(world, 'di')
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    const adjust = (lines: Line[]) => {
      for (const line of lines) line.discount = { id: coupon, amount: line.amount }
    }
    renewForNothing(world, ada, subscription, { adjust })
  },
  expect: [...firstPayment, ...settledInvoice, 'subscription.renewed'],
})
