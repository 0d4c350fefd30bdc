import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { billed, openInvoice, scenario } from '../scenario.ts'
import { declineFirst, expireIncomplete, subscribeIncomplete } from '../subscriptions.ts'

export default scenario({
  name: 'incomplete-expired',
  about: 'The first payment never comes: after 23 hours the subscription has not been, and its invoice is void.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const started = subscribeIncomplete(world, ada, [{ price: pro }])
    declineFirst(world, ada, started)
    expireIncomplete(world, started)
  },
  flo: [...openInvoice, 'invoice.updated', 'invoice.updated'],
  florentin: billed,
})
