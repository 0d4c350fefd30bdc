import { DAY } from '../calendar.ts'
import { goods } from '../catalog.ts'
import { customer } from '../customers.ts'
import { billFor, giveUp } from '../invoices.ts'
import { finalize, payOutOfBand } from '../payments.ts'
import { billed, openInvoice, scenario } from '../scenario.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'uncollectible',
  about: 'An open invoice is given up; months later it is paid all the same.',
  play(world) {
    const ada = customer(world)
    const invoice = billFor(world, ada, [{ price: goods(world, 'Workshop', 15000) }], { daysUntilDue: 30 })
    finalize(world, ada, invoice)
    wait(world, 60 * DAY)
    giveUp(world, invoice)
    wait(world, 60 * DAY)
    payOutOfBand(world, invoice)
  },
  flo: [...openInvoice, 'invoice.updated', 'invoice.paid', 'item.purchased'],
  florentin: billed,
})
