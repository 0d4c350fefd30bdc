import { DAY } from '../calendar.ts'
import { createPrice, createProduct } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { cycle, defineScenario, firstPurchase, trialStart } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { endTrialEarly } from '../trials.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'trial-ends-early',
  about: 'A trial is ended before its time, and the first month is paid at once.',
  play(world) {
    const pro = createPrice(world, createProduct(world, 'Pro'), 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }], { trialDays: 14 })
    advanceClock(world, 5 * DAY)
    endTrialEarly(world, ada, subscription)
  },
  flo: [...trialStart, 'subscription.updated', ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
