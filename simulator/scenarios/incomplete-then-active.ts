import { MINUTE } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, openInvoice, paidFirst } from '../scenario.ts'
import { completeFirstPayment, declineFirst, subscribeIncomplete } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'incomplete-then-active',
  about: 'The first payment is declined; the subscription is incomplete until the second try succeeds.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const started = subscribeIncomplete(world, ada, [{ price: pro }])
    declineFirst(world, ada, started)
    advanceClock(world, 5 * MINUTE)
    completeFirstPayment(world, ada, started)
  },
  flo: [...openInvoice, 'invoice.updated', 'invoice.paid', 'subscription.created'],
  florentin: paidFirst,
})
