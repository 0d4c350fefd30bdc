import { goods } from '../catalog.ts'
import { expire, open } from '../checkout.ts'
import { scenario } from '../scenario.ts'

export default scenario({
  name: 'checkout-expires',
  about: 'A Checkout page that nobody pays.',
  play(world) {
    expire(world, open(world, 'payment', [{ price: goods(world, 'Workshop', 15000) }]))
  },
  flo: [],
  florentin: [],
})
