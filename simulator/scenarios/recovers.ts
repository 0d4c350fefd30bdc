import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { addCard, customer } from '../customers.ts'
import { recover, renewInVain } from '../dunning.ts'
import { bought, firstPayment, openInvoice, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'recovers',
  about: 'A renewal fails once; the customer brings a new card and the retry succeeds.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    const unpaid = renewInVain(world, ada, subscription, 3 * DAY)
    wait(world, 2 * DAY)
    addCard(world, ada)
    wait(world, DAY)
    recover(world, ada, subscription, unpaid)
  },
  flo: [
    ...firstPayment,
    ...openInvoice,
    'invoice.updated',
    'subscription.updated',
    'invoice.paid',
    'subscription.renewed',
    'subscription.updated',
  ],
  florentin: [...bought, 'invoice.created'],
})
