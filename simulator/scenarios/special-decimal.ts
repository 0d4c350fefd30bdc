import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'special-decimal',
  about: 'Icelandic krónur have no smaller unit, yet Stripe sends two decimals: 290000 is 2,900 ISK.',
  play(world) {
    startSubscription(world, createCustomer(world), [{ price: createPlan(world, 'Pro', 290_000, 'isk') }])
  },
  flo: firstPayment,
  florentin: firstPurchase,
})
