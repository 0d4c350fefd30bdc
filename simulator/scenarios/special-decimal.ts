import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'

export default scenario({
  name: 'special-decimal',
  about: 'Icelandic krónur have no smaller unit, yet Stripe sends two decimals: 290000 is 2,900 ISK.',
  play(world) {
    subscribe(world, customer(world), [{ price: plan(world, 'Pro', 290_000, 'isk') }])
  },
  flo: firstPayment,
  florentin: bought,
})
