import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { cancelNow } from '../changes.ts'
import { customer } from '../customers.ts'
import { refund } from '../refunds.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'subscription-refund',
  about: 'A subscription is cancelled at once and its last payment refunded.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const { subscription, charge } = subscribe(world, customer(world), [{ price: pro }])
    wait(world, DAY)
    cancelNow(world, subscription)
    wait(world, 1)
    refund(world, charge!, 2900)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.expired', 'item.refunded'],
  florentin: [...bought, 'subscription.cancelled'],
})
