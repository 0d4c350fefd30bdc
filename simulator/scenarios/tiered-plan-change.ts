import { DAY } from '../calendar.ts'
import { price, sell } from '../catalog.ts'
import { swap } from '../changes.ts'
import { customer } from '../customers.ts'
import { bought, firstPayment, paidInvoice, scenario, settledInvoice } from '../scenario.ts'
import { subscribe } from '../subscriptions.ts'
import { wait } from '../world.ts'

export default scenario({
  name: 'tiered-plan-change',
  about: 'From one tiered plan to a dearer one and back: no price tells which is more, the ranks of the plans do.',
  play(world) {
    const tiers = (unitAmount: number) => [
      { upTo: 10, unitAmount },
      { upTo: null, unitAmount: unitAmount / 2 },
    ]
    const basic = price(world, sell(world, 'Basic'), null, { tiers: tiers(1000), nickname: 'Basic' })
    const plus = price(world, sell(world, 'Plus'), null, { tiers: tiers(1800), nickname: 'Plus' })
    const ada = customer(world)
    const { subscription } = subscribe(world, ada, [{ price: basic, quantity: 12 }])
    wait(world, 10 * DAY)
    swap(world, ada, subscription, { price: plus }, 'at once')
    wait(world, 10 * DAY)
    swap(world, ada, subscription, { price: basic }, 'at once')
  },
  flo: [...firstPayment, 'subscription.updated', ...paidInvoice, 'subscription.updated', ...settledInvoice],
  florentin: [...bought, 'subscription.upgraded', 'invoice.created', 'subscription.downgraded', 'invoice.created'],
  ranks: { Basic: 1, Plus: 2 },
})
