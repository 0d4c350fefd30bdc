import { price, sell } from '../catalog.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, scenario, trialStart } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'

export default scenario({
  name: 'metered',
  about: 'Usage at a fraction of a cent each: nothing at the start, the past month at its end.',
  play(world) {
    const calls = price(world, sell(world, 'API calls'), '0.25', { usage: 'metered' })
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: calls }])
    renew(world, ada, subscription, { usage: 12_345 })
  },
  flo: [...trialStart, ...cycle],
  florentin: [...bought, 'invoice.created'],
})
