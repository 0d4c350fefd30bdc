import { DAY } from '../calendar.ts'
import { createPlan } from '../catalog.ts'
import { createCustomer } from '../customers.ts'
import { finalizeLater, rollPeriod, toPeriodEnd } from '../cycles.ts'
import { payInvoice } from '../payments.ts'
import { cycle, defineScenario, firstPayment, firstPurchase } from '../scenario.ts'
import { createSchedule, nextPhase, releaseSchedule } from '../schedules.ts'
import { startSubscription } from '../subscriptions.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'schedule-changes-plan',
  about: 'A downgrade is scheduled for the end of the month: only then does the subscription change.',
  play(world) {
    const [team, pro] = [createPlan(world, 'Team', 9900), createPlan(world, 'Pro', 2900)]
    const ada = createCustomer(world)
    const { subscription } = startSubscription(world, ada, [{ price: team }])
    advanceClock(world, 10 * DAY)
    const downgrade = createSchedule(world, subscription, pro, 'release')
    toPeriodEnd(world, subscription)
    const invoice = rollPeriod(world, ada, subscription, { items: nextPhase(world, downgrade, subscription) })
    const payment = finalizeLater(world, ada, invoice)
    payInvoice(world, ada, invoice, payment)
    toPeriodEnd(world, subscription)
    releaseSchedule(world, downgrade, subscription)
  },
  flo: [...firstPayment, 'subscription.updated', ...cycle],
  florentin: [...firstPurchase, 'subscription.downgraded', 'invoice.created'],
})
