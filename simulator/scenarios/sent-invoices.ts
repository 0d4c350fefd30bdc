import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { finalizeLater, rollPeriod } from '../cycles.ts'
import { payInvoice } from '../payments.ts'
import { present } from '../present.ts'
import { defineScenario, firstPurchase } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

// Finalising sets the due date, which shows in every shape.
const paid = ['invoice.created', 'invoice.updated', 'invoice.paid']

export default defineScenario({
  name: 'sent-invoices',
  about: 'A subscription whose invoices are mailed: the period rolls first, the renewal is told when it is paid.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const terms = { collection: 'send_invoice', daysUntilDue: 14 } as const
    const { subscription, invoice, payment } = startSubscription(world, ada, [{ price: pro }], terms)
    advanceClock(world, 3 * DAY)
    payInvoice(world, ada, invoice, present(payment))
    const second = rollPeriod(world, ada, subscription)
    const due = finalizeLater(world, ada, second, 14)
    advanceClock(world, 9 * DAY)
    payInvoice(world, ada, second, due)
  },
  flo: ['subscription.created', ...paid, ...paid, 'subscription.renewed'],
  florentin: [...firstPurchase, 'invoice.created'],
})
