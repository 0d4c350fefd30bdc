import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { bought, scenario, trialStart } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { endTrialUnpayable, warnOfTrialEnd } from '../trials.ts'

export default scenario({
  name: 'trial-cancels',
  about: 'A trial ends without a payment method, and the subscription with it.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world, { card: false })
    const terms = { trialDays: 14, missingPaymentMethod: 'cancel' } as const
    const { subscription } = subscribe(world, ada, [{ price: pro }], terms)
    warnOfTrialEnd(world, subscription)
    endTrialUnpayable(world, subscription)
  },
  flo: [...trialStart, 'subscription.expired'],
  florentin: bought,
})
