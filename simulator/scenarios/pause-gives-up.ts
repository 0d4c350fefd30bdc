import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { pauseCollection } from '../changes.ts'
import { customer } from '../customers.ts'
import { rollPaused } from '../cycles.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'pause-gives-up',
  about: 'Collection is paused, and what falls due in the meantime is given up as uncollectible.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    wait(world, 5 * DAY)
    pauseCollection(world, subscription, 'mark_uncollectible')
    rollPaused(world, ada, subscription)
  },
  flo: [...firstPayment, 'subscription.paused', 'invoice.created', 'invoice.updated'],
  florentin: [...bought, 'invoice.created'],
})
