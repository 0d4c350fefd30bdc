import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { recover, renewInVain, retryInVain } from '../dunning.ts'
import { bought, firstPayment, openInvoice, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { change, wait } from '../world.ts'

export default scenario({
  name: 'dunning-to-unpaid',
  about: 'After the last retry the subscription is unpaid, which is no end: weeks later the customer pays.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    const unpaid = renewInVain(world, ada, subscription, 3 * DAY)
    retryInVain(world, ada, unpaid, 3 * DAY, null)
    change(world, subscription, { status: 'unpaid' }, 'customer.subscription.updated')
    wait(world, 10 * DAY)
    recover(world, ada, subscription, unpaid)
  },
  flo: [
    ...firstPayment,
    ...openInvoice,
    'invoice.updated',
    'subscription.updated',
    'invoice.updated',
    'subscription.updated',
    'invoice.paid',
    'subscription.renewed',
    'subscription.updated',
  ],
  florentin: [...bought, 'invoice.created'],
})
