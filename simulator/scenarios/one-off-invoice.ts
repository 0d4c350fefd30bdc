import { createOneOffPrice } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalizeInvoice, payInvoice } from '../payments.ts'
import { defineScenario, firstInvoice, paidInvoice } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'one-off-invoice',
  about: 'An invoice of two things that are bought once, charged to the card.',
  play(world) {
    const [workshop, book] = [createOneOffPrice(world, 'Workshop', 15000), createOneOffPrice(world, 'Book', 2450)]
    const ada = createCustomer(world)
    const invoice = billFor(world, ada, [{ price: workshop }, { price: book, quantity: 2 }])
    advanceClock(world, 30)
    const payment = finalizeInvoice(world, ada, invoice)
    advanceClock(world, 1)
    payInvoice(world, ada, invoice, payment)
  },
  flo: [...paidInvoice, 'item.purchased', 'item.purchased'],
  florentin: firstInvoice,
})
