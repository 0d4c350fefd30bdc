import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { pauseHard, resumeHard } from '../changes.ts'
import { customer } from '../customers.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { byRequest, wait } from '../world.ts'

export default scenario({
  name: 'hard-pause',
  about: 'The pause endpoint: the status is paused, no invoices are made, and a request resumes it.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const { subscription } = subscribe(world, customer(world), [{ price: pro }])
    wait(world, 5 * DAY)
    byRequest(world, () => pauseHard(world, subscription, 'pause_requested'))
    wait(world, 7 * DAY)
    resumeHard(world, subscription)
  },
  flo: [...firstPayment, 'subscription.paused', 'subscription.resumed'],
  florentin: bought,
})
