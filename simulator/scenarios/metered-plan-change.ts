import { DAY } from '../calendar.ts'
import { price, sell } from '../catalog.ts'
import { revise } from '../changes.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, scenario, trialStart } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'metered-plan-change',
  about: 'From one metered plan to another, which nobody has ranked: neither an upgrade nor a downgrade.',
  play(world) {
    const [calls, bulk] = ['API calls', 'API calls in bulk'].map((name, at) =>
      price(world, sell(world, name), ['0.25', '0.2'][at]!, { usage: 'metered' }),
    )
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: calls! }])
    wait(world, 10 * DAY)
    const items = subscription.items.map((item) => ({ ...item, price: bulk! }))
    revise(world, subscription, { items, configuredAt: world.now })
    renew(world, ada, subscription, { usage: 40_000 })
  },
  flo: [...trialStart, 'subscription.updated', ...cycle],
  florentin: [...bought, 'invoice.created'],
})
