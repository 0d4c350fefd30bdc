import { MINUTE } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { customer, tellUser } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'user-told-later',
  about: 'Minutes after the start the client writes its own user id onto the customer.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    wait(world, 3 * MINUTE)
    tellUser(world, ada, world.clientUserId ?? 'user_1815')
    renew(world, ada, subscription)
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...bought, 'invoice.created'],
})
