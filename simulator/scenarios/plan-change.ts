import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { swapItem } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase, paidInvoice } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'plan-change',
  about: 'In the midst of a month a customer goes to the dearer plan, pays the difference and later renews it.',
  play(world) {
    const [pro, team] = [createPlan(world, 'Pro', 2900), createPlan(world, 'Team', 9900)]
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, 10 * DAY)
    swapItem(world, ada, subscription, { price: team, billing: 'at once' })
    renewSubscription(world, ada, subscription)
  },
  flo: [...firstPayment, 'subscription.updated', ...paidInvoice, ...cycle],
  florentin: [...firstPurchase, 'subscription.upgraded', 'invoice.created', 'invoice.created'],
})
