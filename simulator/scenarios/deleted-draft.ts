import { createOneOffPrice } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { billFor, deleteDraft } from '../invoices.ts'
import { defineScenario, unknownDraft } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'deleted-draft',
  about: 'A draft is deleted before anybody sees it.',
  play(world) {
    const draft = billFor(world, createCustomer(world), [{ price: createOneOffPrice(world, 'Workshop', 15000) }])
    advanceClock(world, 90)
    deleteDraft(world, draft)
  },
  flo: ['invoice.created', 'invoice.deleted'],
  florentin: ['account.created', unknownDraft],
})
