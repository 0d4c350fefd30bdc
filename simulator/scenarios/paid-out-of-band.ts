import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalizeInvoice, payOutOfBand } from '../payments.ts'
import { defineScenario, firstInvoice, paidInvoice } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'paid-out-of-band',
  about: 'An invoice is paid by bank transfer outside Stripe: no charge, no payment_succeeded.',
  play(world) {
    const ada = createCustomer(world)
    const invoice = billFor(world, ada, [{ price: createOneOffPrice(world, 'Workshop', 15000) }], { daysUntilDue: 30 })
    finalizeInvoice(world, ada, invoice)
    advanceClock(world, 6 * DAY)
    payOutOfBand(world, invoice)
  },
  flo: [...paidInvoice, 'item.purchased'],
  florentin: firstInvoice,
})
