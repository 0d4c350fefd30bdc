import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { revise } from '../changes.ts'
import { customer } from '../customers.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'metadata-change',
  about: 'The client writes something onto a subscription.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const { subscription } = subscribe(world, customer(world), [{ price: pro }], { metadata: { team: 'red' } })
    wait(world, DAY)
    revise(world, subscription, { metadata: { team: 'red', seat_limit: '20' } })
  },
  flo: [...firstPayment, 'subscription.updated'],
  florentin: bought,
})
