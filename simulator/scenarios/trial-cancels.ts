import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstPurchase, trialStart } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { endTrialUnpayable, warnOfTrialEnd } from '../trials.ts'

export default defineScenario({
  name: 'trial-cancels',
  about: 'A trial ends without a payment method, and the subscription with it.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world, { card: false })
    const terms = { trialDays: 14, missingPaymentMethod: 'cancel' } as const
    const { subscription } = startSubscription(world, ada, [{ price: pro }], terms)
    warnOfTrialEnd(world, subscription)
    endTrialUnpayable(world, subscription)
  },
  flo: [...trialStart, 'subscription.expired'],
  florentin: firstPurchase,
})
