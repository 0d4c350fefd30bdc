import { DAY } from '../calendar.ts'
import { createPlan, createPrice } from '../catalog.ts'
import { switchInterval } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstPayment, firstPurchase, paidInvoice } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'interval-change',
  about: 'From monthly to yearly: a new period begins at once, which is a change and no renewal.',
  play(world) {
    const monthly = createPlan(world, 'Pro', 2900)
    const yearly = createPrice(world, monthly.product, 29_000, { interval: 'year' })
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: monthly }])
    advanceClock(world, 10 * DAY)
    switchInterval(world, ada, subscription, yearly)
  },
  flo: [...firstPayment, 'subscription.updated', ...paidInvoice],
  florentin: [...firstPurchase, 'subscription.downgraded', 'invoice.created'],
})
