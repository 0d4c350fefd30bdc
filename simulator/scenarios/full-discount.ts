import { plan } from '../catalog.ts'
import { coupon, customer, discountLines } from '../customers.ts'
import { renewForNothing } from '../cycles.ts'
import { bought, firstPayment, scenario, settledInvoice } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'

export default scenario({
  name: 'full-discount',
  about: 'A coupon pays for a whole month: the renewal costs nothing and is one all the same.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const free = coupon(world, 100)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    renewForNothing(world, ada, subscription, { adjust: (lines) => discountLines(lines, free) })
  },
  flo: [...firstPayment, ...settledInvoice, 'subscription.renewed'],
  florentin: [...bought, 'invoice.created'],
})
