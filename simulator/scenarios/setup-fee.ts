import { createOneOffPrice, createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'setup-fee',
  about: 'A subscription starts with a fee that is paid once, on the same invoice.',
  play(world) {
    const [pro, fee] = [createPlan(world, 'Pro', 2900), createOneOffPrice(world, 'Setup', 5000)]
    startSubscription(world, createCustomer(world), [{ price: pro }], { alongside: [fee] })
  },
  flo: [...firstPayment, 'item.purchased'],
  florentin: firstPurchase,
})
