import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { addCard, createCustomer } from '../customers.ts'
import { payAfterAll, renewInVain } from '../dunning.ts'
import { defineScenario, firstPayment, firstPurchase, openInvoice } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'recovers',
  about: 'A renewal fails once; the customer brings a new card and the retry succeeds.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    const unpaid = renewInVain(world, ada, subscription, 3 * DAY)
    advanceClock(world, 2 * DAY)
    addCard(world, ada)
    advanceClock(world, DAY)
    payAfterAll(world, ada, subscription, unpaid)
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
  florentin: [...firstPurchase, 'invoice.created'],
})
