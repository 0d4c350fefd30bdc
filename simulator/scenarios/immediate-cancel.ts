import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { cancelNow } from '../changes.ts'
import { customer } from '../customers.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'immediate-cancel',
  about: 'A cancellation that ends the subscription at once.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const { subscription } = subscribe(world, customer(world), [{ price: pro }])
    wait(world, 9 * DAY)
    cancelNow(world, subscription)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.expired'],
  florentin: [...bought, 'subscription.cancelled'],
})
