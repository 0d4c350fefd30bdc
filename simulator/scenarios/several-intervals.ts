import { createPlan, createPrice, createProduct } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'several-intervals',
  about: 'A monthly plan beside quarterly support: two months renew the plan alone, the third renews both.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const support = createPrice(world, createProduct(world, 'Support'), 9000, { intervalCount: 3 })
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }, { price: support }])
    for (let month = 1; month <= 3; month++) renewSubscription(world, ada, subscription)
  },
  flo: [...firstPayment, ...cycle, ...cycle, ...cycle],
  florentin: [...firstPurchase, 'invoice.created', 'invoice.created', 'invoice.created'],
})
