import { createPlan } from '../catalog.ts'
import { openSession, subscribeByCheckout } from '../checkout.ts'
import { defineScenario, openInvoice, paidFirst } from '../scenario.ts'

export default defineScenario({
  name: 'checkout-subscription',
  about: 'A visitor subscribes through a Checkout page; before basil the subscription is incomplete until it is paid.',
  play(world) {
    const wanted = [{ price: createPlan(world, 'Pro', 2900) }]
    subscribeByCheckout(world, openSession(world, 'subscription', wanted), wanted)
  },
  flo: [...openInvoice, 'invoice.paid', 'subscription.created'],
  florentin: paidFirst,
})
