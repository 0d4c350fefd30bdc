import { DAY } from '../calendar.ts'
import { goods } from '../catalog.ts'
import { creditOpen } from '../credit-notes.ts'
import { customer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalize, pay } from '../payments.ts'
import { billed, openInvoice, scenario } from '../scenario.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'credit-note-before-payment',
  about: 'Part of an open invoice is waived: less is due.',
  play(world) {
    const ada = customer(world)
    const invoice = billFor(world, ada, [{ price: goods(world, 'Workshop', 15000) }], { daysUntilDue: 30 })
    const payment = finalize(world, ada, invoice)
    wait(world, 2 * DAY)
    creditOpen(world, invoice, [{ line: invoice.lines[0]!, amount: 3000 }])
    wait(world, DAY)
    pay(world, ada, invoice, payment)
  },
  flo: [...openInvoice, 'invoice.updated', 'invoice.paid', 'item.purchased'],
  florentin: billed,
})
