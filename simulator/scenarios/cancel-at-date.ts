import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { cancelAt } from '../changes.ts'
import { customer } from '../customers.ts'
import { reachEnd } from '../cycles.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'cancel-at-date',
  about: 'A cancellation for a date of its own, which is then moved.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    wait(world, 5 * DAY)
    cancelAt(world, subscription, world.now + 10 * DAY)
    wait(world, DAY)
    cancelAt(world, subscription, world.now + 14 * DAY)
    reachEnd(world, subscription)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.updated', 'subscription.expired'],
  florentin: [...bought, 'subscription.cancelled'],
})
