import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { pauseCollection, resumeCollection } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription, rollPaused } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'pause-collection',
  about:
    'Collection is paused until a date: the period rolls, its invoice is void, and the subscription goes on by itself.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, 5 * DAY)
    const resumesAt = subscription.periodEnd + 10 * DAY
    pauseCollection(world, subscription, 'void', resumesAt)
    rollPaused(world, ada, subscription)
    advanceClock(world, resumesAt - world.now)
    resumeCollection(world, subscription)
    renewSubscription(world, ada, subscription)
  },
  flo: [...firstPayment, 'subscription.paused', 'invoice.created', 'invoice.updated', 'subscription.resumed', ...cycle],
  florentin: [...firstPurchase, 'invoice.created', 'invoice.created'],
})
