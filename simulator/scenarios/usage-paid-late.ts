import { DAY } from '../calendar.ts'
import { createPrice, createProduct } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { finalizeLater, rollPeriod } from '../cycles.ts'
import { payInvoice } from '../payments.ts'
import { defineScenario, firstPurchase, trialStart } from '../scenario.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

const sent = ['invoice.created', 'invoice.updated'] as const

export default defineScenario({
  name: 'usage-paid-late',
  about: 'Usage alone, by invoices that are mailed: the first is paid when the next period has begun.',
  play(world) {
    const calls = createPrice(world, createProduct(world, 'API calls'), '0.25', { usage: 'metered' })
    const ada = createCustomer(world)
    const terms = { collection: 'send_invoice', daysUntilDue: 60 } as const
    const { subscription } = startSubscription(world, ada, [{ price: calls }], terms)
    const first = rollPeriod(world, ada, subscription, { usage: 12_345 })
    const firstDue = finalizeLater(world, ada, first, 60)
    const second = rollPeriod(world, ada, subscription, { usage: 6789 })
    const secondDue = finalizeLater(world, ada, second, 60)
    advanceClock(world, 2 * DAY)
    payInvoice(world, ada, first, firstDue)
    advanceClock(world, DAY)
    payInvoice(world, ada, second, secondDue)
  },
  flo: [
    ...trialStart,
    ...sent,
    ...sent,
    ...['invoice.paid', 'subscription.renewed', 'invoice.paid', 'subscription.renewed'],
  ],
  florentin: [...firstPurchase, 'invoice.created', 'invoice.created'],
})
