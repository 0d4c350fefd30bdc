import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { cancelNow } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { present } from '../present.ts'
import { createRefund } from '../refunds.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'subscription-refund',
  about: 'A subscription is cancelled at once and its last payment refunded.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const { subscription, charge } = startSubscription(world, createCustomer(world), [{ price: pro }])
    advanceClock(world, DAY)
    cancelNow(world, subscription)
    advanceClock(world, 1)
    createRefund(world, present(charge), 2900)
  },
  flo: [...firstPayment, 'subscription.cancelled', 'subscription.expired', 'item.refunded'],
  florentin: [...firstPurchase, 'subscription.cancelled'],
})
