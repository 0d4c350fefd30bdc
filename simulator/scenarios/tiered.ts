import { price, sell } from '../catalog.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'

export default scenario({
  name: 'tiered',
  about: 'Graduated tiers: the price has no unit amount, the invoice a line for each tier.',
  play(world) {
    const tiers = [
      { upTo: 5, unitAmount: 1000 },
      { upTo: 20, unitAmount: 800 },
      { upTo: null, unitAmount: 500 },
    ]
    const seats = price(world, sell(world, 'Seats'), null, { tiers })
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: seats, quantity: 25 }])
    renew(world, ada, subscription)
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...bought, 'invoice.created'],
})
