import { DAY } from '../calendar.ts'
import { goods } from '../catalog.ts'
import { creditPaid } from '../credit-notes.ts'
import { customer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalize, pay } from '../payments.ts'
import { billed, paidInvoice, scenario } from '../scenario.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'credit-note-refund',
  about: 'One of two things is given back: the credit note says which, its refund moves the money.',
  play(world) {
    const ada = customer(world)
    const wanted = [{ price: goods(world, 'Workshop', 15000) }, { price: goods(world, 'Book', 2450) }]
    const invoice = billFor(world, ada, wanted)
    const charge = pay(world, ada, invoice, finalize(world, ada, invoice))
    wait(world, 4 * DAY)
    creditPaid(world, invoice, charge, [{ line: invoice.lines[1]!, amount: 2450 }])
  },
  flo: [...paidInvoice, 'item.purchased', 'item.purchased', 'item.refunded'],
  florentin: billed,
})
