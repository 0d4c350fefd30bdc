import { DAY } from '../calendar.ts'
import { price, sell } from '../catalog.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, scenario, trialStart } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { reachThreshold } from '../usage.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'usage-alert',
  about:
    'In the midst of the month a customer has used so much that an alert goes off; the month is billed at its end.',
  play(world) {
    const calls = price(world, sell(world, 'API calls'), '0.25', { usage: 'metered' })
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: calls }])
    wait(world, 12 * DAY)
    reachThreshold(world, ada, 10_000, 10_250)
    renew(world, ada, subscription, { usage: 24_000 })
  },
  flo: [...trialStart, ...cycle],
  florentin: [...bought, 'usage.metrics_updated', 'invoice.created'],
})
