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
  name: 'refund-by-credit-notes',
  about: 'Three things are given back by credit notes: one in two parts, one whole, and one in part.',
  play(world) {
    const ada = createCustomer(world)
    const goods = ['Workshop', 'Book', 'Poster'].map((name, at) => ({
      price: createOneOffPrice(world, name, 10000 - 3000 * at),
    }))
    const invoice = billFor(world, ada, goods)
    const charge = payInvoice(world, ada, invoice, finalizeInvoice(world, ada, invoice))
    const [workshop, book, poster] = [0, 1, 2].map((at) => present(invoice.lines[at]))
    const notes = [
      { line: present(book), amount: 3000 },
      { line: present(book), amount: 4000 },
      { line: present(workshop), amount: 10000 },
      { line: present(poster), amount: 2000 },
    ]
    for (const credit of notes) {
      advanceClock(world, DAY)
      creditPaid(world, invoice, charge, [credit])
    }
  },
  flo: [...paidInvoice, ...Array(3).fill('item.purchased'), ...Array(4).fill('item.refunded')],
  florentin: firstInvoice,
})
