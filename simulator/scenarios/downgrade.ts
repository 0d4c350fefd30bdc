import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { swap } from '../changes.ts'
import { customer } from '../customers.ts'
import { bought, firstPayment, scenario, settledInvoice } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'downgrade',
  about: 'A customer goes to the cheaper plan: the invoice of the difference is negative and becomes a balance.',
  play(world) {
    const [pro, team] = [plan(world, 'Pro', 2900), plan(world, 'Team', 9900)]
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: team }])
    wait(world, 10 * DAY)
    swap(world, ada, subscription, { price: pro }, 'at once')
  },
  flo: [...firstPayment, 'subscription.updated', ...settledInvoice],
  florentin: [...bought, 'subscription.downgraded', 'invoice.created'],
})
