import { DAY } from '../calendar.ts'
import { plan, rename } from '../catalog.ts'
import { customer } from '../customers.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'product-renamed',
  about: 'A product gets another name before somebody subscribes to it.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    wait(world, DAY)
    rename(world, pro.product, 'Professional')
    wait(world, DAY)
    subscribe(world, customer(world), [{ price: pro }])
  },
  flo: firstPayment,
  florentin: bought,
})
