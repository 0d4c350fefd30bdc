import { createPlan } from '../catalog.ts'
import { openSession, subscribeByCheckout } from '../checkout.ts'
import { defineScenario, openInvoice, paidFirst } from '../scenario.ts'

export default defineScenario({
  name: 'checkout-terms',
  about: 'A visitor accepts the terms of service on the Checkout page, and subscribes.',
  play(world) {
    const wanted = [{ price: createPlan(world, 'Pro', 2900) }]
    subscribeByCheckout(world, openSession(world, 'subscription', wanted, { terms: true }), wanted)
  },
  flo: [...openInvoice, 'invoice.paid', 'subscription.created'],
  florentin: [...paidFirst, 'tos.accepted'],
})
