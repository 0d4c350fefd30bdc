import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { swapItem } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstPayment, firstPurchase, settledInvoice } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'downgrade',
  about: 'A customer goes to the cheaper plan: the invoice of the difference is negative and becomes a balance.',
  play(world) {
    const [pro, team] = [createPlan(world, 'Pro', 2900), createPlan(world, 'Team', 9900)]
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: team }])
    advanceClock(world, 10 * DAY)
    swapItem(world, ada, subscription, { price: pro, billing: 'at once' })
  },
  flo: [...firstPayment, 'subscription.updated', ...settledInvoice],
  florentin: [...firstPurchase, 'subscription.downgraded', 'invoice.created'],
})
