import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { cancelAtPeriodEnd } from '../changes.ts'
import { customer } from '../customers.ts'
import { reachEnd } from '../cycles.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'cancel-at-period-end',
  about: 'A cancellation is asked for through the API and comes true at the end of the month.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    wait(world, 9 * DAY)
    cancelAtPeriodEnd(world, subscription)
    reachEnd(world, subscription)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.expired'],
  florentin: [...bought, 'subscription.cancelled'],
})
