import { goods } from '../catalog.ts'
import { customer } from '../customers.ts'
import { billFor, deleteDraft } from '../invoices.ts'
import { scenario, unknownDraft } from '../scenario.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'deleted-draft',
  about: 'A draft is deleted before anybody sees it.',
  play(world) {
    const draft = billFor(world, customer(world), [{ price: goods(world, 'Workshop', 15000) }])
    wait(world, 90)
    deleteDraft(world, draft)
  },
  flo: ['invoice.created', 'invoice.deleted'],
  florentin: ['account.created', unknownDraft],
})
