import { DAY } from '../calendar.ts'
import { plan } from '../catalog.ts'
import { revise } from '../changes.ts'
import { addCard, customer } from '../customers.ts'
import { bought, firstPayment, scenario } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'card-replaced',
  about: 'Another card pays from now on: Stripe tells it, and Flo shows nothing of it.',
  play(world) {
    const pro = plan(world, 'Pro', 2900)
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: pro }])
    wait(world, DAY)
    addCard(world, ada)
    revise(world, subscription, { paymentMethod: ada.card!.paymentMethod })
  },
  flo: firstPayment,
  florentin: bought,
})
