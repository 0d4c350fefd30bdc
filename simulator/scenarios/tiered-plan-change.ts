import { DAY } from '../calendar.ts'
import { createPrice, createProduct } from '../catalog.ts'
import { swapItem } from '../changes.ts'
import { createCustomer } from '../customers.ts'
import { defineScenario, firstPayment, firstPurchase, paidInvoice, settledInvoice } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'tiered-plan-change',
  about: 'From one tiered plan to a dearer one and back: no price tells which is more, the ranks of the plans do.',
  play(world) {
    const tiers = (unitAmount: number) => [
      { upTo: 10, unitAmount },
      { upTo: null, unitAmount: unitAmount / 2 },
    ]
    const basic = createPrice(world, createProduct(world, 'Basic'), null, { tiers: tiers(1000), nickname: 'Basic' })
    const plus = createPrice(world, createProduct(world, 'Plus'), null, { tiers: tiers(1800), nickname: 'Plus' })
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: basic, quantity: 12 }])
    advanceClock(world, 10 * DAY)
    swapItem(world, ada, subscription, { price: plus, billing: 'at once' })
    advanceClock(world, 10 * DAY)
    swapItem(world, ada, subscription, { price: basic, billing: 'at once' })
  },
  flo: [...firstPayment, 'subscription.updated', ...paidInvoice, 'subscription.updated', ...settledInvoice],
  florentin: [
    ...firstPurchase,
    'subscription.upgraded',
    'invoice.created',
    'subscription.downgraded',
    'invoice.created',
  ],
  ranks: { Basic: 1, Plus: 2 },
})
