import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { creditPaid } from '../credit-notes.ts'
import { createCustomer } from '../customers.ts'
import { finalizeLater, rollPeriod } from '../cycles.ts'
import { payInvoice } from '../payments.ts'
import { present } from '../present.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'refund-of-renewal-line',
  about: 'Of a renewal that bills two plans, half of the second is given back by a credit note.',
  play(world) {
    const wanted = [{ price: createPlan(world, 'Seat', 2900) }, { price: createPlan(world, 'Pro', 9900) }]
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, wanted)
    const invoice = rollPeriod(world, ada, subscription)
    const payment = finalizeLater(world, ada, invoice)
    advanceClock(world, 1)
    const charge = payInvoice(world, ada, invoice, payment)
    advanceClock(world, 3 * DAY)
    creditPaid(world, invoice, charge, [{ line: present(invoice.lines[1]), amount: 4950 }])
  },
  flo: [...firstPayment, ...cycle, 'item.refunded'],
  florentin: [...firstPurchase, 'invoice.created'],
})
