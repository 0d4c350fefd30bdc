import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { addCard, createCustomer } from '../customers.ts'
import { defineScenario, firstPurchase, paidInvoice, trialStart } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { endTrialUnpayable, resumeWithInvoice } from '../trials.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'trial-pauses',
  about: 'A trial ends without a payment method: the subscription is paused until the customer brings a card.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world, { card: false })
    const terms = { trialDays: 14, missingPaymentMethod: 'pause' } as const
    const { subscription } = startSubscription(world, ada, [{ price: pro }], terms)
    endTrialUnpayable(world, subscription)
    advanceClock(world, 3 * DAY)
    addCard(world, ada)
    resumeWithInvoice(world, ada, subscription)
  },
  flo: [...trialStart, 'subscription.paused', 'subscription.resumed', ...paidInvoice],
  florentin: [...firstPurchase, 'invoice.created'],
})
