import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'

export default scenario({
  name: 'renewal',
  about: 'A monthly subscription is announced a week before, renewed and paid.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    renew(world, ada, subscription, { announced: true })
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...bought, 'invoice.created'],
})
