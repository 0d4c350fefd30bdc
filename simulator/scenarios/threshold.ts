import { DAY } from '../calendar.ts'
import { price, sell } from '../catalog.ts'
import { customer } from '../customers.ts'
import { billThreshold } from '../cycles.ts'
import { bought, paidInvoice, scenario, trialStart } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'threshold',
  about: 'Usage reaches a threshold: it is billed in the midst of the month, which is no renewal.',
  play(world) {
    const calls = price(world, sell(world, 'API calls'), '0.25', { usage: 'metered' })
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: calls }])
    wait(world, 12 * DAY)
    billThreshold(world, ada, subscription, 40_000)
  },
  flo: [...trialStart, ...paidInvoice],
  florentin: [...bought, 'invoice.created'],
})
