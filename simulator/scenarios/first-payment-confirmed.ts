import { MINUTE } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { openInvoice, paidFirst, scenario } from '../scenario.ts'
import { askToConfirm, complete, subscribeIncomplete } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'first-payment-confirmed',
  about: 'The bank asks the customer to confirm the first payment, which they do minutes later.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const started = subscribeIncomplete(world, ada, [{ price: pro }])
    askToConfirm(world, started)
    wait(world, 3 * MINUTE)
    complete(world, ada, started)
  },
  flo: [...openInvoice, 'invoice.paid', 'subscription.created'],
  florentin: paidFirst,
})
