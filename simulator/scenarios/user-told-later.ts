import { MINUTE } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { createCustomer, tellUser } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'user-told-later',
  about: 'Minutes after the start the client writes its own user id onto the customer.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, 3 * MINUTE)
    tellUser(world, ada, world.clientUserId ?? 'user_1815')
    renewSubscription(world, ada, subscription)
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
