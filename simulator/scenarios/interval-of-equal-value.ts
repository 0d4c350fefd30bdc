import { DAY } from '../calendar.ts'
import { plan, price } from '../catalog.ts'
import { switchInterval } from '../changes.ts'
import { customer } from '../customers.ts'
import { bought, firstPayment, paidInvoice, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'interval-of-equal-value',
  about: 'From monthly to yearly at twelve times the price: another plan, and neither an upgrade nor a downgrade.',
  play(world) {
    const monthly = plan(world, 'Pro', 2900)
    const yearly = price(world, monthly.product, 34_800, { interval: 'year' })
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: monthly }])
    wait(world, 10 * DAY)
    switchInterval(world, ada, subscription, yearly)
  },
  flo: [...firstPayment, 'subscription.updated', ...paidInvoice],
  florentin: [...bought, 'invoice.created'],
})
