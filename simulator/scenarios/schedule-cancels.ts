import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { finalizeLater, reachEnd, rollPeriod, toPeriodEnd } from '../cycles.ts'
import { payInvoice } from '../payments.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { announceEnd, createSchedule, finishSchedule, nextPhase } from '../schedules.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'schedule-cancels',
  about: 'A schedule that ends with a cancellation: its last phase sets the date.',
  play(world) {
    const pro = createPlan(world, 'Pro', 2900)
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: pro }])
    advanceClock(world, 10 * DAY)
    const ending = createSchedule(world, subscription, pro, 'cancel')
    toPeriodEnd(world, subscription)
    const invoice = rollPeriod(world, ada, subscription, { items: nextPhase(world, ending, subscription) })
    const payment = finalizeLater(world, ada, invoice)
    payInvoice(world, ada, invoice, payment)
    announceEnd(world, ending, subscription)
    reachEnd(world, subscription)
    finishSchedule(world, ending)
  },
  flo: [...firstPayment, ...cycle, 'subscription.cancelled', 'subscription.expired'],
  florentin: [...firstPurchase, 'invoice.created', 'subscription.cancelled'],
})
