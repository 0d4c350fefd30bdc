import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { pauseHard } from '../changes.ts'
import { customer } from '../customers.ts'
import { renewInVain, retryInVain } from '../dunning.ts'
import { bought, firstPayment, openInvoice, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'

export default scenario({
  name: 'dunning-to-paused',
  about: 'After the last retry the subscription is paused instead of cancelled (endive).',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    const unpaid = renewInVain(world, ada, subscription, 3 * DAY)
    retryInVain(world, ada, unpaid, 3 * DAY, null)
    pauseHard(world, subscription, 'final_payment_failure')
  },
  flo: [
    ...firstPayment,
    ...openInvoice,
    'invoice.updated',
    'subscription.updated',
    'invoice.updated',
    'subscription.paused',
  ],
  florentin: [...bought, 'invoice.created'],
})
