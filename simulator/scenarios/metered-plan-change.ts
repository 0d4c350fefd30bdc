import { DAY } from '../calendar.ts'
import { createPrice, createProduct } from '../catalog.ts'
import { updateSubscription } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { present } from '../present.ts'
import { cycle, defineScenario, firstPurchase, trialStart } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'metered-plan-change',
  about: 'From one metered plan to another, which nobody has ranked: neither an upgrade nor a downgrade.',
  play(world) {
    const [calls, bulk] = ['API calls', 'API calls in bulk'].map((name, at) =>
      createPrice(world, createProduct(world, name), present(['0.25', '0.2'][at]), { usage: 'metered' }),
    )
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: present(calls) }])
    advanceClock(world, 10 * DAY)
    const items = subscription.items.map((item) => ({ ...item, price: present(bulk) }))
    updateSubscription(world, subscription, { items, configuredAt: world.now })
    renewSubscription(world, ada, subscription, { usage: 40_000 })
  },
  flo: [...trialStart, 'subscription.updated', ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
