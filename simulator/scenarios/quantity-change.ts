import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { swapItem } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'quantity-change',
  about: 'Two more seats: their share of the month waits for the next invoice.',
  play(world) {
    const seats = createPlan(world, 'Seats', 1200)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: seats, quantity: 3 }])
    advanceClock(world, 12 * DAY)
    const waiting = swapItem(world, ada, subscription, { price: seats, quantity: 5, billing: 'next invoice' })
    renewSubscription(world, ada, subscription, { waiting })
  },
  flo: [...firstPayment, 'subscription.updated', ...cycle],
  florentin: [...firstPurchase, 'subscription.upgraded', 'invoice.created'],
})
