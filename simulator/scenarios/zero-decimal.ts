import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'

export default scenario({
  name: 'zero-decimal',
  about: 'Japanese yen have no smaller unit: 2900 is ¥2,900.',
  play(world) {
    const pro = plan(world, 'Pro', 2900, 'jpy')
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro, quantity: 3 }])
    renew(world, ada, subscription)
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...bought, 'invoice.created'],
})
