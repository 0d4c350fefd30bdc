import { goods, plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'

export default scenario({
  name: 'setup-fee',
  about: 'A subscription starts with a fee that is paid once, on the same invoice.',
  play(world) {
    const [pro, fee] = [plan(world, 'Pro', 2900), goods(world, 'Setup', 5000)]
    subscribe(world, customer(world), [{ price: pro }], { alongside: [fee] })
  },
  flo: [...firstPayment, 'item.purchased'],
  florentin: bought,
})
