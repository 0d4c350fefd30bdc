import { plan } from '../catalog.ts'
import { cancelAtPeriodEnd } from '../changes.ts'
import { customer } from '../customers.ts'
import { reachEnd, renew } from '../cycles.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { startTestClock } from '../world.ts'

const RENEWALS = 11

export default scenario({
  name: 'test-clock-year',
  about: 'A year under a test clock: its events are created within seconds, many in the same one.',
  play(world) {
    startTestClock(world)
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    for (let month = 0; month < RENEWALS; month += 1) renew(world, ada, subscription)
    cancelAtPeriodEnd(world, subscription)
    reachEnd(world, subscription)
  },
  flo: [
    ...firstPayment,
    ...Array.from({ length: RENEWALS }, () => cycle).flat(),
    'subscription.cancelled',
    'subscription.expired',
  ],
  florentin: [...bought, ...Array.from({ length: RENEWALS }, () => 'invoice.created'), 'subscription.cancelled'],
})
