import { DAY } from '../calendar.ts'
import { goods } from '../catalog.ts'
import { customer } from '../customers.ts'
import { billFor, passDueDate } from '../invoices.ts'
import { finalize, pay } from '../payments.ts'
import { billed, openInvoice, scenario } from '../scenario.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'overdue',
  about: 'An invoice that was sent is not paid by its due date, but a day later.',
  play(world) {
    const ada = customer(world)
    const invoice = billFor(world, ada, [{ price: goods(world, 'Workshop', 15000) }], { daysUntilDue: 7 })
    const payment = finalize(world, ada, invoice)
    passDueDate(world, invoice)
    wait(world, DAY)
    pay(world, ada, invoice, payment)
  },
  flo: [...openInvoice, 'invoice.overdue', 'invoice.paid', 'item.purchased'],
  florentin: billed,
})
