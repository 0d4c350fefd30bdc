import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { updateSubscription } from '../changes.ts'
import { addCard, createCustomer } from '../customers.ts'
import { present } from '../present.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'card-replaced',
  about: 'Another card pays from now on: Stripe tells it, and Flo shows nothing of it.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, DAY)
    addCard(world, ada)
    updateSubscription(world, subscription, { paymentMethod: present(ada.card).paymentMethod })
  },
  flo: firstPayment,
  florentin: firstPurchase,
})
