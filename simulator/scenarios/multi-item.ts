import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { updateSubscription } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { present } from '../present.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'multi-item',
  about: 'A subscription of a plan and two kinds of seats; the number of one kind changes.',
  play(world) {
    const [pro, seat, guest] = [
      createPlan(world, 'Pro', 9900),
      createPlan(world, 'Seat', 1200),
      createPlan(world, 'Guest', 300),
    ]
    const ada = createCustomer(world)
    const wanted = [{ price: seat, quantity: 4 }, { price: pro }, { price: guest, quantity: 10 }]
    const { subscription } = startSubscription(world, ada, wanted)
    advanceClock(world, 10 * DAY)
    const [seats, ...rest] = subscription.items
    updateSubscription(world, subscription, {
      items: [{ ...present(seats), quantity: 6 }, ...rest],
      configuredAt: world.now,
    })
    renewSubscription(world, ada, subscription)
  },
  flo: [...firstPayment, 'subscription.updated', ...cycle],
  florentin: [...firstPurchase, 'subscription.upgraded', 'invoice.created'],
})
