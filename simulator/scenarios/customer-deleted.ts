import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { deleteCustomer } from '../changes.ts'
import { customer } from '../customers.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'customer-deleted',
  about: 'A customer is deleted, and their subscription ends with them.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    subscribe(world, ada, [{ price: pro }])
    wait(world, 20 * DAY)
    deleteCustomer(world, ada)
  },
  flo: [...firstPayment, 'subscription.expired'],
  florentin: bought,
})
