import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalizeInvoice, payInTwo } from '../payments.ts'
import { createRefund } from '../refunds.ts'
import { defineScenario, firstInvoice, openInvoice } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'refund-of-two-payments',
  about: "An invoice is paid by two payments, and both are given back: the item is the invoice's.",
  play(world) {
    const ada = createCustomer(world)
    const invoice = billFor(world, ada, [{ price: createOneOffPrice(world, 'Workshop', 15000) }])
    const payment = finalizeInvoice(world, ada, invoice)
    const [first, second] = payInTwo(world, ada, invoice, { payment, first: 9000 })
    advanceClock(world, DAY)
    createRefund(world, second, 6000)
    advanceClock(world, DAY)
    createRefund(world, first, 9000)
  },
  flo: [...openInvoice, 'invoice.updated', 'invoice.paid', 'item.purchased', 'item.refunded', 'item.refunded'],
  florentin: firstInvoice,
})
