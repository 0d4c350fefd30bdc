import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { updateSubscription } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'metadata-change',
  about: 'The client writes something onto a subscription.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const { subscription } = startSubscription(world, createCustomer(world), [{ price: pro }], {
      metadata: { team: 'red' },
    })
    advanceClock(world, DAY)
    updateSubscription(world, subscription, { metadata: { ...subscription.metadata, seat_limit: '20' } })
  },
  flo: [...firstPayment, 'subscription.updated'],
  florentin: firstPurchase,
})
