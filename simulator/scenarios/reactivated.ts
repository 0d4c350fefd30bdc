import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { cancelInPortal, keep } from '../changes.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'reactivated',
  about: 'The customer cancels in the portal, thinks better of it and renews.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    wait(world, 9 * DAY)
    cancelInPortal(world, subscription)
    wait(world, DAY)
    keep(world, subscription)
    renew(world, ada, subscription)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.reactivated', ...cycle],
  florentin: [...bought, 'subscription.cancelled', 'invoice.created'],
})
