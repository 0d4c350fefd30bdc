import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { end } from '../changes.ts'
import { customer } from '../customers.ts'
import { renewInVain, retryInVain } from '../dunning.ts'
import { bought, firstPayment, openInvoice, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'

export default scenario({
  name: 'dunning-to-canceled',
  about: 'A renewal cannot be charged: three retries later the subscription is cancelled.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    const unpaid = renewInVain(world, ada, subscription, 3 * DAY)
    retryInVain(world, ada, unpaid, 3 * DAY, 5 * DAY)
    retryInVain(world, ada, unpaid, 5 * DAY, 7 * DAY)
    retryInVain(world, ada, unpaid, 7 * DAY, null)
    end(world, subscription, 'payment_failed')
  },
  flo: [
    ...firstPayment,
    ...openInvoice,
    'invoice.updated',
    'subscription.updated',
    'invoice.updated',
    'invoice.updated',
    'invoice.updated',
    'subscription.expired',
  ],
  florentin: [...bought, 'invoice.created'],
})
