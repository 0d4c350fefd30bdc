import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPurchase, trialStart } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { warnOfTrialEnd } from '../trials.ts'

export default defineScenario({
  name: 'trial-converts',
  about: 'A trial of 14 days ends, and its first paid month begins.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }], { trialDays: 14 })
    warnOfTrialEnd(world, subscription)
    renewSubscription(world, ada, subscription)
  },
  flo: [...trialStart, 'subscription.updated', ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
