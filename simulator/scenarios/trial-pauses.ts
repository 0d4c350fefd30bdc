import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { addCard, customer } from '../customers.ts'
import { bought, paidInvoice, scenario, trialStart } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { endTrialUnpayable, resumeWithInvoice } from '../trials.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'trial-pauses',
  about: 'A trial ends without a payment method: the subscription is paused until the customer brings a card.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world, { card: false })
    const terms = { trialDays: 14, missingPaymentMethod: 'pause' } as const
    const { subscription } = subscribe(world, ada, [{ price: pro }], terms)
    endTrialUnpayable(world, subscription)
    wait(world, 3 * DAY)
    addCard(world, ada)
    resumeWithInvoice(world, ada, subscription)
  },
  flo: [...trialStart, 'subscription.paused', 'subscription.resumed', ...paidInvoice],
  florentin: [...bought, 'invoice.created'],
})
