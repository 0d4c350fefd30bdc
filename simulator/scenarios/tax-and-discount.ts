import { createPlan } from '../catalog.ts'
import { createCustomer, discountLines, newDiscount } from '../customers.ts'
import { renewSubscription } from '../cycles.ts'
import type { Line } from '../objects/billing.ts'
import { present } from '../present.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { newId } from '../world.ts'

export default defineScenario({
  name: 'tax-and-discount',
  about: 'Ten per cent off, and nineteen per cent of tax on top of the rest.',
  play(world) {
    const [pro, seat] = [createPlan(world, 'Pro', 2900), createPlan(world, 'Seat', 1000)]
    const [tenOff, rate] = [newDiscount(world, 10), newId(world, 'txr')]
    const adjust = (lines: Line[]) => {
      discountLines(lines, tenOff)
      for (const line of lines)
        line.tax = { rate, amount: Math.round((line.amount - present(line.discount).amount) * 0.19) }
    }
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }, { price: seat, quantity: 2 }], { adjust })
    renewSubscription(world, ada, subscription, { adjust })
  },
  flo: [...firstPayment, ...cycle],
  florentin: [...firstPurchase, 'invoice.created'],
})
