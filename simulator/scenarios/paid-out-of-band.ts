import { DAY } from '../calendar.ts'
import { goods } from '../catalog.ts'
import { customer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalize, payOutOfBand } from '../payments.ts'
import { billed, paidInvoice, scenario } from '../scenario.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'paid-out-of-band',
  about: 'An invoice is paid by bank transfer outside Stripe: no charge, no payment_succeeded.',
  play(world) {
    const ada = customer(world)
    const invoice = billFor(world, ada, [{ price: goods(world, 'Workshop', 15000) }], { daysUntilDue: 30 })
    finalize(world, ada, invoice)
    wait(world, 6 * DAY)
    payOutOfBand(world, invoice)
  },
  flo: [...paidInvoice, 'item.purchased'],
  florentin: billed,
})
