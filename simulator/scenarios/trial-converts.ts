import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, scenario, trialStart } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { warnOfTrialEnd } from '../trials.ts'

export default scenario({
  name: 'trial-converts',
  about: 'A trial of 14 days ends, and its first paid month begins.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }], { trialDays: 14 })
    warnOfTrialEnd(world, subscription)
    renew(world, ada, subscription)
  },
  flo: [...trialStart, 'subscription.updated', ...cycle],
  florentin: [...bought, 'invoice.created'],
})
