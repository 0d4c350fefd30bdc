import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { swap } from '../changes.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'quantity-change',
  about: 'Two more seats: their share of the month waits for the next invoice.',
  play(world) {
    const seats = plan(world, 'Seats', 1200)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: seats, quantity: 3 }])
    wait(world, 12 * DAY)
    const waiting = swap(world, ada, subscription, { price: seats, quantity: 5 }, 'next invoice')
    renew(world, ada, subscription, { waiting })
  },
  flo: [...firstPayment, 'subscription.updated', ...cycle],
  florentin: [...bought, 'subscription.upgraded', 'invoice.created'],
})
