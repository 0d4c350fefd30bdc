import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { pauseCollection, resumeCollection } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { rollPaused } from '../cycles.ts'
import { defineScenario, firstPayment, firstPurchase, unknownDraft } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock, asOneRequest } from '../world.ts'

export default defineScenario({
  name: 'pause-keeps-drafts',
  about: 'Collection is paused and invoices stay drafts, until somebody resumes it.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, 5 * DAY)
    pauseCollection(world, subscription, 'keep_as_draft')
    rollPaused(world, ada, subscription)
    advanceClock(world, 3 * DAY)
    asOneRequest(world, () => resumeCollection(world, subscription))
  },
  flo: [...firstPayment, 'subscription.paused', 'invoice.created', 'subscription.resumed'],
  florentin: [...firstPurchase, unknownDraft],
})
