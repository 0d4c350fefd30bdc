import { goods } from '../catalog.ts'
import { open, payByBank } from '../checkout.ts'
import { scenario, visitor } from '../scenario.ts'

export default scenario({
  name: 'checkout-async-fails',
  about: 'A bank debit that bounces: nothing was bought.',
  play(world) {
    const basket = [{ price: goods(world, 'Workshop', 15000, 'eur') }]
    payByBank(world, open(world, 'payment', basket)).bounces()
  },
  flo: [],
  florentin: [visitor],
})
