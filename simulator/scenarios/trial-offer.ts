import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import { cycle, defineScenario, firstPurchase, trialStart } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { newId } from '../world.ts'

const DAYS = 7

export default defineScenario({
  name: 'trial-offer',
  about: 'A trial of one item alone (endive): the subscription itself has no trial end.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const offer = { id: newId(world, 'to'), start: world.now, end: world.now + DAYS * DAY }
    const { subscription } = startSubscription(world, ada, [{ price: pro }], { offer })
    const items = subscription.items.map((item) => ({ ...item, trialOffer: null }))
    renewSubscription(world, ada, subscription, { items })
  },
  flo: [...trialStart, 'subscription.updated', ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
