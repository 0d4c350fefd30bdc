import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { renew } from '../cycles.ts'
import { bought, cycle, scenario, trialStart } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { newId } from '../world.ts'

const DAYS = 7

export default scenario({
  name: 'trial-offer',
  about: 'A trial of one item alone (endive): the subscription itself has no trial end.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const offer = { id: newId(world, 'to'), start: world.now, end: world.now + DAYS * DAY }
    const { subscription } = subscribe(world, ada, [{ price: pro }], { offer })
    const items = subscription.items.map((item) => ({ ...item, trialOffer: null }))
    renew(world, ada, subscription, { items })
  },
  flo: [...trialStart, 'subscription.updated', ...cycle],
  florentin: [...bought, 'invoice.created'],
})
