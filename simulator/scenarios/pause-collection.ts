import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { pauseCollection, resumeCollection } from '../changes.ts'
import { customer } from '../customers.ts'
import { renew, rollPaused } from '../cycles.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'pause-collection',
  about:
    'Collection is paused until a date: the period rolls, its invoice is void, and the subscription goes on by itself.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    wait(world, 5 * DAY)
    const resumesAt = subscription.periodEnd + 10 * DAY
    pauseCollection(world, subscription, 'void', resumesAt)
    rollPaused(world, ada, subscription)
    wait(world, resumesAt - world.now)
    resumeCollection(world, subscription)
    renew(world, ada, subscription)
  },
  flo: [...firstPayment, 'subscription.paused', 'invoice.created', 'invoice.updated', 'subscription.resumed', ...cycle],
  florentin: [...bought, 'invoice.created', 'invoice.created'],
})
