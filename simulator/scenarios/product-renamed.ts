import { DAY } from '../calendar.ts'
import { createPlan, renameProduct } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'product-renamed',
  about: 'A product gets another name before somebody subscribes to it.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    advanceClock(world, DAY)
    renameProduct(world, pro.product, 'Professional')
    advanceClock(world, DAY)
    startSubscription(world, createCustomer(world), [{ price: pro }])
  },
  flo: firstPayment,
  florentin: firstPurchase,
})
