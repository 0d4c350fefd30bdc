import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { swap } from '../changes.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, firstPayment, paidInvoice, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'plan-change',
  about: 'In the midst of a month a customer goes to the dearer plan, pays the difference and later renews it.',
  play(world) {
    const [pro, team] = [plan(world, 'Pro', 2900), plan(world, 'Team', 9900)]
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    wait(world, 10 * DAY)
    swap(world, ada, subscription, { price: team }, 'at once')
    renew(world, ada, subscription)
  },
  flo: [...firstPayment, 'subscription.updated', ...paidInvoice, ...cycle],
  florentin: [...bought, 'subscription.upgraded', 'invoice.created', 'invoice.created'],
})
