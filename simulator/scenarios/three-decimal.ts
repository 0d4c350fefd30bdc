import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'

export default scenario({
  name: 'three-decimal',
  about: 'Kuwaiti dinars have three decimals, of which Stripe uses two: 9990 is 9.990 KWD.',
  play(world) {
    const pro = plan(world, 'Pro', 9990, 'kwd')
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    renew(world, ada, subscription)
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...bought, 'invoice.created'],
})
