import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { payAfterAll, renewInVain, retryInVain } from '../dunning.ts'
import { defineScenario, firstPayment, firstPurchase, openInvoice } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock, changeObject } from '../world.ts'

export default defineScenario({
  name: 'dunning-to-unpaid',
  about: 'After the last retry the subscription is unpaid, which is no end: weeks later the customer pays.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    const unpaid = renewInVain(world, ada, subscription, 3 * DAY)
    retryInVain(world, ada, unpaid, { after: 3 * DAY, retryIn: null })
    changeObject(world, subscription, { status: 'unpaid' }, 'customer.subscription.updated')
    advanceClock(world, 10 * DAY)
    payAfterAll(world, ada, subscription, unpaid)
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
  florentin: [...firstPurchase, 'invoice.created'],
})
