import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { customer } from '../customers.ts'
import { finalizeLater, roll, toPeriodEnd } from '../cycles.ts'
import { pay } from '../payments.ts'
import { bought, cycle, firstPayment, scenario } from '../scenario.ts'
import { nextPhase, release, schedule } from '../schedules.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'schedule-changes-plan',
  about: 'A downgrade is scheduled for the end of the month: only then does the subscription change.',
  play(world) {
    const [team, pro] = [plan(world, 'Team', 9900), plan(world, 'Pro', 2900)]
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: team }])
    wait(world, 10 * DAY)
    const downgrade = schedule(world, subscription, pro, 'release')
    toPeriodEnd(world, subscription)
    const invoice = roll(world, ada, subscription, { items: nextPhase(world, downgrade, subscription) })
    const payment = finalizeLater(world, ada, invoice)
    pay(world, ada, invoice, payment)
    toPeriodEnd(world, subscription)
    release(world, downgrade, subscription)
  },
  flo: [...firstPayment, 'subscription.updated', ...cycle],
  florentin: [...bought, 'subscription.downgraded', 'invoice.created'],
})
