import { plan } from '../catalog.ts'
import { open, subscribeByCheckout } from '../checkout.ts'
import { openInvoice, paidFirst, scenario } from '../scenario.ts'

export default scenario({
  name: 'checkout-subscription',
  about: 'A visitor subscribes through a Checkout page; before basil the subscription is incomplete until it is paid.',
  play(world) {
    const wanted = [{ price: plan(world, 'Pro', 2900) }]
    subscribeByCheckout(world, open(world, 'subscription', wanted), wanted)
  },
  flo: [...openInvoice, 'invoice.paid', 'subscription.created'],
  florentin: paidFirst,
})
