import { boundaryAfter } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { renew, rollBilled } from '../cycles.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'

const PERIODS = 3

export default scenario({
  name: 'prebilling',
  about: 'Three months are billed at once (dahlia): one renewal, and two periods that roll without an invoice.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    const quarter = { interval: 'month', intervalCount: PERIODS } as const
    const billedUntil = boundaryAfter(subscription.periodEnd, quarter, subscription.periodEnd)
    const items = subscription.items.map((item) => ({ ...item, billedUntil }))
    renew(world, ada, subscription, { periods: PERIODS, items })
    rollBilled(world, subscription)
    rollBilled(world, subscription)
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...bought, 'invoice.created'],
})
