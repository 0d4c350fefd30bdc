import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { pauseHard } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { renewInVain, retryInVain } from '../dunning.ts'
import { defineScenario, firstPayment, firstPurchase, openInvoice } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'dunning-to-paused',
  about: 'After the last retry the subscription is paused instead of cancelled (endive).',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    const unpaid = renewInVain(world, ada, subscription, 3 * DAY)
    retryInVain(world, ada, unpaid, { after: 3 * DAY, retryIn: null })
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
  florentin: [...firstPurchase, 'invoice.created'],
})
