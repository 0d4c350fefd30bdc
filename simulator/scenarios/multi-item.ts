import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { revise } from '../changes.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'multi-item',
  about: 'A subscription of a plan and two kinds of seats; the number of one kind changes.',
  play(world) {
    const [pro, seat, guest] = [plan(world, 'Pro', 9900), plan(world, 'Seat', 1200), plan(world, 'Guest', 300)]
    const ada = customer(world)
    const wanted = [{ price: seat, quantity: 4 }, { price: pro }, { price: guest, quantity: 10 }]
    const { subscription } = subscribe(world, ada, wanted)
    wait(world, 10 * DAY)
    const [seats, ...rest] = subscription.items
    revise(world, subscription, { items: [{ ...seats!, quantity: 6 }, ...rest], configuredAt: world.now })
    renew(world, ada, subscription)
  },
  flo: [...firstPayment, 'subscription.updated', ...cycle],
  florentin: [...bought, 'subscription.upgraded', 'invoice.created'],
})
