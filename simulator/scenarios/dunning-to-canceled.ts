import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { endSubscription } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { renewInVain, retryInVain } from '../dunning.ts'
import { defineScenario, firstPayment, firstPurchase, openInvoice } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'dunning-to-canceled',
  about: 'A renewal cannot be charged: three retries later the subscription is cancelled.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    const unpaid = renewInVain(world, ada, subscription, 3 * DAY)
    retryInVain(world, ada, unpaid, { after: 3 * DAY, retryIn: 5 * DAY })
    retryInVain(world, ada, unpaid, { after: 5 * DAY, retryIn: 7 * DAY })
    retryInVain(world, ada, unpaid, { after: 7 * DAY, retryIn: null })
    endSubscription(world, subscription, 'payment_failed')
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
  florentin: [...firstPurchase, 'invoice.created'],
})
