import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { billFor, passDueDate } from '../invoices.ts'
import { finalizeInvoice, payInvoice } from '../payments.ts'
import { defineScenario, firstInvoice, openInvoice } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'overdue',
  about: 'An invoice that was sent is not paid by its due date, but a day later.',
  play(world) {
    const ada = createCustomer(world)
    const invoice = billFor(world, ada, [{ price: createOneOffPrice(world, 'Workshop', 15000) }], { daysUntilDue: 7 })
    const payment = finalizeInvoice(world, ada, invoice)
    passDueDate(world, invoice)
    advanceClock(world, DAY)
    payInvoice(world, ada, invoice, payment)
  },
  flo: [...openInvoice, 'invoice.overdue', 'invoice.paid', 'item.purchased'],
  florentin: firstInvoice,
})
