import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { pauseHard, resumeHard } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock, asOneRequest } from '../world.ts'

export default defineScenario({
  name: 'hard-pause',
  about: 'The pause endpoint: the status is paused, no invoices are made, and a request resumes it.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const { subscription } = startSubscription(world, createCustomer(world), [{ price: pro }])
    advanceClock(world, 5 * DAY)
    asOneRequest(world, () => pauseHard(world, subscription, 'pause_requested'))
    advanceClock(world, 7 * DAY)
    resumeHard(world, subscription)
  },
  flo: [...firstPayment, 'subscription.paused', 'subscription.resumed'],
  florentin: firstPurchase,
})
