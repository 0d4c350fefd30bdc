import { boundaryAfter } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription, rollBilled } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

const PERIODS = 3

export default defineScenario({
  name: 'prebilling',
  about: 'Three months are billed at once (dahlia): one renewal, and two periods that roll without an invoice.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    const quarter = { interval: 'month', intervalCount: PERIODS } as const
    const billedUntil = boundaryAfter(subscription.periodEnd, quarter, subscription.periodEnd)
    const items = subscription.items.map((item) => ({ ...item, billedUntil }))
    renewSubscription(world, ada, subscription, { periods: PERIODS, items })
    rollBilled(world, subscription)
    rollBilled(world, subscription)
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
