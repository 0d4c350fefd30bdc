import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { pauseCollection, resumeCollection } from '../changes.ts'
import { customer } from '../customers.ts'
import { rollPaused } from '../cycles.ts'
import { bought, firstPayment, scenario, unknownDraft } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { byRequest, wait } from '../world.ts'

export default scenario({
  name: 'pause-keeps-drafts',
  about: 'Collection is paused and invoices stay drafts, until somebody resumes it.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    wait(world, 5 * DAY)
    pauseCollection(world, subscription, 'keep_as_draft')
    rollPaused(world, ada, subscription)
    wait(world, 3 * DAY)
    byRequest(world, () => resumeCollection(world, subscription))
  },
  flo: [...firstPayment, 'subscription.paused', 'invoice.created', 'subscription.resumed'],
  florentin: [...bought, unknownDraft],
})
