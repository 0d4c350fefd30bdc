import { goods } from '../catalog.ts'
import { open, takeForFree } from '../checkout.ts'
import { scenario } from '../scenario.ts'

export default scenario({
  name: 'checkout-free',
  about: 'A Checkout page with nothing to pay: there is no payment, yet something was bought.',
  play(world) {
    takeForFree(world, open(world, 'payment', [{ price: goods(world, 'Sample', 0) }]))
  },
  flo: ['item.purchased'],
  florentin: [],
})
