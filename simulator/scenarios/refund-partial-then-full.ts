import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalizeInvoice, payInvoice } from '../payments.ts'
import { createRefund } from '../refunds.ts'
import { defineScenario, firstInvoice, paidInvoice } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'refund-partial-then-full',
  about: 'A purchase is refunded in part, then the rest: the amount on the charge is cumulative.',
  play(world) {
    const ada = createCustomer(world)
    const invoice = billFor(world, ada, [{ price: createOneOffPrice(world, 'Workshop', 15000) }])
    const charge = payInvoice(world, ada, invoice, finalizeInvoice(world, ada, invoice))
    advanceClock(world, 2 * DAY)
    createRefund(world, charge, 5000)
    advanceClock(world, DAY)
    createRefund(world, charge, 10000)
  },
  flo: [...paidInvoice, 'item.purchased', 'item.refunded', 'item.refunded'],
  florentin: firstInvoice,
})
