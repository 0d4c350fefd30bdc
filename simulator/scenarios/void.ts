import { DAY } from '../calendar.ts'
import { goods } from '../catalog.ts'
import { customer } from '../customers.ts'
import { billFor, voidInvoice } from '../invoices.ts'
import { finalize } from '../payments.ts'
import { billed, openInvoice, scenario } from '../scenario.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'void',
  about: 'An open invoice is voided.',
  play(world) {
    const ada = customer(world)
    const invoice = billFor(world, ada, [{ price: goods(world, 'Workshop', 15000) }], { daysUntilDue: 30 })
    finalize(world, ada, invoice)
    wait(world, DAY)
    voidInvoice(world, invoice)
  },
  flo: [...openInvoice, 'invoice.updated'],
  florentin: billed,
})
