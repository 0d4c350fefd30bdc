import { goods } from '../catalog.ts'
import { customer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalize, pay } from '../payments.ts'
import { billed, paidInvoice, scenario } from '../scenario.ts'

const BOUGHT = 12
const SHOWN = 10

export default scenario({
  name: 'many-lines',
  about: 'An invoice of twelve things: an event shows the first ten, the rest can only be asked for.',
  play(world) {
    const ada = customer(world)
    const wanted = Array.from({ length: BOUGHT }, (_, at) => ({ price: goods(world, `Volume ${at + 1}`, 1000 + at) }))
    const invoice = billFor(world, ada, wanted)
    pay(world, ada, invoice, finalize(world, ada, invoice))
  },
  flo: [...paidInvoice, ...Array.from({ length: SHOWN }, () => 'item.purchased')],
  florentin: billed,
})
