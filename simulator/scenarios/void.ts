import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { billFor, voidInvoice } from '../invoices.ts'
import { finalizeInvoice } from '../payments.ts'
import { defineScenario, firstInvoice, openInvoice } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'void',
  about: 'An open invoice is voided.',
  play(world) {
    const ada = createCustomer(world)
    const invoice = billFor(world, ada, [{ price: createOneOffPrice(world, 'Workshop', 15000) }], { daysUntilDue: 30 })
    finalizeInvoice(world, ada, invoice)
    advanceClock(world, DAY)
    voidInvoice(world, invoice)
  },
  flo: [...openInvoice, 'invoice.updated'],
  florentin: firstInvoice,
})
