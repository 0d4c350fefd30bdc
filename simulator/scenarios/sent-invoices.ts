import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { finalizeLater, roll } from '../cycles.ts'
import { pay } from '../payments.ts'
import { bought, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

// Finalising sets the due date, which shows in every shape.
const paid = ['invoice.created', 'invoice.updated', 'invoice.paid']

export default scenario({
  name: 'sent-invoices',
  about: 'A subscription whose invoices are mailed: the period rolls first, the renewal is told when it is paid.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const terms = { collection: 'send_invoice', daysUntilDue: 14 } as const
    const { subscription, invoice, payment } = subscribe(world, ada, [{ price: pro }], terms)
    wait(world, 3 * DAY)
    pay(world, ada, invoice, payment!)
    const second = roll(world, ada, subscription)
    const due = finalizeLater(world, ada, second, 14)
    wait(world, 9 * DAY)
    pay(world, ada, second, due)
  },
  flo: ['subscription.created', ...paid, ...paid, 'subscription.renewed'],
  florentin: [...bought, 'invoice.created'],
})
