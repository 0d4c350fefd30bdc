import { plan } from '../catalog.ts'
import { open, subscribeByCheckout } from '../checkout.ts'
import { openInvoice, paidFirst, scenario } from '../scenario.ts'

export default scenario({
  name: 'checkout-terms',
  about: 'A visitor accepts the terms of service on the Checkout page, and subscribes.',
  play(world) {
    const wanted = [{ price: plan(world, 'Pro', 2900) }]
    subscribeByCheckout(world, open(world, 'subscription', wanted, { terms: true }), wanted)
  },
  flo: [...openInvoice, 'invoice.paid', 'subscription.created'],
  florentin: [...paidFirst, 'tos.accepted'],
})
