import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstInvoice, openInvoice } from '../scenario.ts'
import { declineFirst, expireIncomplete, subscribeIncomplete } from '../subscriptions.ts'

export default defineScenario({
  name: 'incomplete-expired',
  about: 'The first payment never comes: after 23 hours the subscription has not been, and its invoice is void.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const started = subscribeIncomplete(world, ada, [{ price: pro }])
    declineFirst(world, ada, started)
    expireIncomplete(world, started)
  },
  flo: [...openInvoice, 'invoice.updated', 'invoice.updated'],
  florentin: firstInvoice,
})
