import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { creditPaid } from '../credit-notes.ts'
import { createCustomer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalizeInvoice, payInvoice } from '../payments.ts'
import { present } from '../present.ts'
import { defineScenario, firstInvoice, paidInvoice } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'credit-note-refund',
  about: 'One of two things is given back: the credit note says which, its refund moves the money.',
  play(world) {
    const ada = createCustomer(world)
    const wanted = [
      { price: createOneOffPrice(world, 'Workshop', 15000) },
      { price: createOneOffPrice(world, 'Book', 2450) },
    ]
    const invoice = billFor(world, ada, wanted)
    const charge = payInvoice(world, ada, invoice, finalizeInvoice(world, ada, invoice))
    advanceClock(world, 4 * DAY)
    creditPaid(world, invoice, charge, [{ line: present(invoice.lines[1]), amount: 2450 }])
  },
  flo: [...paidInvoice, 'item.purchased', 'item.purchased', 'item.refunded'],
  florentin: firstInvoice,
})
