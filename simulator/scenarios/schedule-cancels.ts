import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { finalizeLater, reachEnd, roll, toPeriodEnd } from '../cycles.ts'
import { pay } from '../payments.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { announceEnd, finishSchedule, nextPhase, schedule } from '../schedules.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'schedule-cancels',
  about: 'A schedule that ends with a cancellation: its last phase sets the date.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    wait(world, 10 * DAY)
    const ending = schedule(world, subscription, pro, 'cancel')
    toPeriodEnd(world, subscription)
    const invoice = roll(world, ada, subscription, { items: nextPhase(world, ending, subscription) })
    const payment = finalizeLater(world, ada, invoice)
    pay(world, ada, invoice, payment)
    announceEnd(world, ending, subscription)
    reachEnd(world, subscription)
    finishSchedule(world, ending)
  },
  flo: [...firstPayment, ...cycle, 'subscription.cancelled', 'subscription.expired'],
  florentin: [...bought, 'invoice.created', 'subscription.cancelled'],
})
