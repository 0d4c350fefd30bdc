import { DAY } from '../calendar.ts'
import { goods } from '../catalog.ts'
import { customer } from '../customers.ts'
import { billFor } from '../invoices.ts'
import { finalize, pay } from '../payments.ts'
import { refund } from '../refunds.ts'
import { billed, paidInvoice, scenario } from '../scenario.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'refund-partial-then-full',
  about: 'A purchase is refunded in part, then the rest: the amount on the charge is cumulative.',
  play(world) {
    const ada = customer(world)
    const invoice = billFor(world, ada, [{ price: goods(world, 'Workshop', 15000) }])
    const charge = pay(world, ada, invoice, finalize(world, ada, invoice))
    wait(world, 2 * DAY)
    refund(world, charge, 5000)
    wait(world, DAY)
    refund(world, charge, 10000)
  },
  flo: [...paidInvoice, 'item.purchased', 'item.refunded', 'item.refunded'],
  florentin: billed,
})
