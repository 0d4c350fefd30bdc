import { goods } from '../catalog.ts'
import { customer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalize, pay } from '../payments.ts'
import { billed, paidInvoice, scenario } from '../scenario.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'one-off-invoice',
  about: 'An invoice of two things that are bought once, charged to the card.',
  play(world) {
    const [workshop, book] = [goods(world, 'Workshop', 15000), goods(world, 'Book', 2450)]
    const ada = customer(world)
    const invoice = billFor(world, ada, [{ price: workshop }, { price: book, quantity: 2 }])
    wait(world, 30)
    const payment = finalize(world, ada, invoice)
    wait(world, 1)
    pay(world, ada, invoice, payment)
  },
  flo: [...paidInvoice, 'item.purchased', 'item.purchased'],
  florentin: billed,
})
