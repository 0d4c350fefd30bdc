import { createPlan } from '../catalog.ts'
import { createCustomer, discountLines, newDiscount } from '../customers.ts'
import { renewForNothing } from '../cycles.ts'
import { defineScenario, firstPayment, firstPurchase, settledInvoice } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'

export default defineScenario({
  name: 'full-discount',
  about: 'A coupon pays for a whole month: the renewal costs nothing and is one all the same.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const free = newDiscount(world, 100)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    renewForNothing(world, ada, subscription, { adjust: (lines) => discountLines(lines, free) })
  },
  flo: [...firstPayment, ...settledInvoice, 'subscription.renewed'],
  florentin: [...firstPurchase, 'invoice.created'],
})
