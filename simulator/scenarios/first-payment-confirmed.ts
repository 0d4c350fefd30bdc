import { MINUTE } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, openInvoice, paidFirst } from '../scenario.ts'
import { askToConfirm, completeFirstPayment, subscribeIncomplete } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'first-payment-confirmed',
  about: 'The bank asks the customer to confirm the first payment, which they do minutes later.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const started = subscribeIncomplete(world, ada, [{ price: pro }])
    askToConfirm(world, started)
    advanceClock(world, 3 * MINUTE)
    completeFirstPayment(world, ada, started)
  },
  flo: [...openInvoice, 'invoice.paid', 'subscription.created'],
  florentin: paidFirst,
})
