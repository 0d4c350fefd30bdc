import { DAY } from '../calendar.ts'
import { createCustomer } from '../customers.ts'
import { payBare } from '../payments.ts'
import { createRefund } from '../refunds.ts'
import { defineScenario } from '../scenario.ts'
import { advanceClock } from '../world.ts'

export default defineScenario({
  name: 'refund-of-bare-payment',
  about: 'A payment whose metadata names a product is given back in two parts.',
  play(world) {
    const charge = payBare(world, createCustomer(world), 4900, { flo_product: 'workshop' })
    advanceClock(world, DAY)
    createRefund(world, charge, 1900)
    advanceClock(world, DAY)
    createRefund(world, charge, 3000)
  },
  flo: ['item.purchased', 'item.refunded', 'item.refunded'],
  florentin: ['account.created'],
})
