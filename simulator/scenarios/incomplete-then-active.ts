import { MINUTE } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { openInvoice, paidFirst, scenario } from '../scenario.ts'
import { complete, declineFirst, subscribeIncomplete } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'incomplete-then-active',
  about: 'The first payment is declined; the subscription is incomplete until the second try succeeds.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const started = subscribeIncomplete(world, ada, [{ price: pro }])
    declineFirst(world, ada, started)
    wait(world, 5 * MINUTE)
    complete(world, ada, started)
  },
  flo: [...openInvoice, 'invoice.updated', 'invoice.paid', 'subscription.created'],
  florentin: paidFirst,
})
