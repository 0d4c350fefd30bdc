import { goods } from '../catalog.ts'
import { open, payByBank } from '../checkout.ts'
import { scenario, visitor } from '../scenario.ts'

export default scenario({
  name: 'checkout-async',
  about: 'A bank debit: the session is complete at once, the money arrives days later and only then is it a purchase.',
  play(world) {
    const basket = [{ price: goods(world, 'Workshop', 15000, 'eur') }]
    payByBank(world, open(world, 'payment', basket)).arrives()
  },
  flo: ['item.purchased'],
  florentin: [visitor],
})
