import { createPlan, createPrice, createProduct } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'year-beside-month',
  about: 'A yearly item beside a monthly one: the month is renewed, the year goes on.',
  play(world) {
    const seats = createPlan(world, 'Seats', 1900)
    const pro = createPrice(world, createProduct(world, 'Pro'), 29_000, { interval: 'year' })
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: seats, quantity: 3 }, { price: pro }])
    renewSubscription(world, ada, subscription, { isAnnounced: true })
    renewSubscription(world, ada, subscription)
  },
  flo: [...firstPayment, ...cycle, ...cycle],
  florentin: [...firstPurchase, 'invoice.created', 'invoice.created'],
})
