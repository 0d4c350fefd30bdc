import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { cancelInPortal } from '../changes.ts'
import { customer } from '../customers.ts'
import { reachEnd } from '../cycles.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'portal-cancel',
  about: 'The customer cancels in the portal: since clover that sets a date and leaves cancel_at_period_end false.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    wait(world, 9 * DAY)
    cancelInPortal(world, subscription)
    reachEnd(world, subscription)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.expired'],
  florentin: [...bought, 'subscription.cancelled'],
})
