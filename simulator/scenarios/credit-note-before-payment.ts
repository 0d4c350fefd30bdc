import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { creditOpen } from '../credit-notes.ts'
import { createCustomer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalizeInvoice, payInvoice } from '../payments.ts'
import { present } from '../present.ts'
import { defineScenario, firstInvoice, openInvoice } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'credit-note-before-payment',
  about: 'Part of an open invoice is waived: less is due.',
  play(world) {
    const ada = createCustomer(world)
    const invoice = billFor(world, ada, [{ price: createOneOffPrice(world, 'Workshop', 15000) }], { daysUntilDue: 30 })
    const payment = finalizeInvoice(world, ada, invoice)
    advanceClock(world, 2 * DAY)
    creditOpen(world, invoice, [{ line: present(invoice.lines[0]), amount: 3000 }])
    advanceClock(world, DAY)
    payInvoice(world, ada, invoice, payment)
  },
  flo: [...openInvoice, 'invoice.updated', 'invoice.paid', 'item.purchased'],
  florentin: firstInvoice,
})
