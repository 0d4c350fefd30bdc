import { goods } from '../catalog.ts'
import { open, payByCard } from '../checkout.ts'
import { scenario, visitor } from '../scenario.ts'

export default scenario({
  name: 'checkout-payment',
  about: 'A visitor buys through a Checkout page: no customer, no invoice.',
  play(world) {
    const basket = [{ price: goods(world, 'Workshop', 15000) }]
    payByCard(world, open(world, 'payment', basket))
  },
  flo: ['item.purchased'],
  florentin: [visitor],
})
