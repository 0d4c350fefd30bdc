import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { pauseCollection } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { rollPaused } from '../cycles.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'pause-gives-up',
  about: 'Collection is paused, and what falls due in the meantime is given up as uncollectible.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, 5 * DAY)
    pauseCollection(world, subscription, 'mark_uncollectible')
    rollPaused(world, ada, subscription)
  },
  flo: [...firstPayment, 'subscription.paused', 'invoice.created', 'invoice.updated'],
  florentin: [...firstPurchase, 'invoice.created'],
})
