import { DAY } from '../calendar.ts'
import { createPrice, createProduct } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { billThreshold } from '../cycles.ts'
import { defineScenario, firstPurchase, paidInvoice, trialStart } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'threshold',
  about: 'Usage reaches a threshold: it is billed in the midst of the month, which is no renewal.',
  play(world) {
    const calls = createPrice(world, createProduct(world, 'API calls'), '0.25', { usage: 'metered' })
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: calls }])
    advanceClock(world, 12 * DAY)
    billThreshold(world, ada, subscription, 40_000)
  },
  flo: [...trialStart, ...paidInvoice],
  florentin: [...firstPurchase, 'invoice.created'],
})
