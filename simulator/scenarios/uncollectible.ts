import { DAY } from '../calendar.ts'
import { createOneOffPrice } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { billFor, markUncollectible } from '../invoices.ts'
import { finalizeInvoice, payOutOfBand } from '../payments.ts'
import { defineScenario, firstInvoice, openInvoice } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'uncollectible',
  about: 'An open invoice is given up; months later it is paid all the same.',
  play(world) {
    const ada = createCustomer(world)
    const invoice = billFor(world, ada, [{ price: createOneOffPrice(world, 'Workshop', 15000) }], { daysUntilDue: 30 })
    finalizeInvoice(world, ada, invoice)
    advanceClock(world, 60 * DAY)
    markUncollectible(world, invoice)
    advanceClock(world, 60 * DAY)
    payOutOfBand(world, invoice)
  },
  flo: [...openInvoice, 'invoice.updated', 'invoice.paid', 'item.purchased'],
  florentin: firstInvoice,
})
