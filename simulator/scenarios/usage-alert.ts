import { DAY } from '../calendar.ts'
import { createPrice, createProduct } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPurchase, trialStart } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { reachThreshold } from '../usage.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'usage-alert',
  about:
    'In the midst of the month a customer has used so much that an alert goes off; the month is billed at its end.',
  play(world) {
    const calls = createPrice(world, createProduct(world, 'API calls'), '0.25', { usage: 'metered' })
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: calls }])
    advanceClock(world, 12 * DAY)
    reachThreshold(world, ada, 10_000, 10_250)
    renewSubscription(world, ada, subscription, { usage: 24_000 })
  },
  flo: [...trialStart, ...cycle],
  florentin: [...firstPurchase, 'usage.metrics_updated', 'invoice.created'],
})
