import { createOneOffPrice } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalizeInvoice, payInvoice } from '../payments.ts'
import { defineScenario, firstInvoice, paidInvoice } from '../scenario.ts'

const BOUGHT = 12
const SHOWN = 10

export default defineScenario({
  name: 'many-lines',
  about: 'An invoice of twelve things: an event shows the first ten, the rest can only be asked for.',
  play(world) {
    const ada = createCustomer(world)
    const wanted = Array.from({ length: BOUGHT }, (_, at) => ({
      price: createOneOffPrice(world, `Volume ${at + 1}`, 1000 + at),
    }))
    const invoice = billFor(world, ada, wanted)
    payInvoice(world, ada, invoice, finalizeInvoice(world, ada, invoice))
  },
  flo: [...paidInvoice, ...Array.from({ length: SHOWN }, () => 'item.purchased')],
  florentin: firstInvoice,
})
