import type { Charge, Refund } from './objects/payment.ts'
import { asOneRequest, changeObject, newId, recordEvent, type World } from './world.ts'

/** Money goes back: at once to a card, after days to a bank account (`pending`). */
export function createRefund(
  world: World,
  charge: Charge,
  amount: number,
  options: { pending?: boolean } = {},
): Refund {
  return asOneRequest(world, () => {
    const made: Refund = {
      kind: 'refund',
      id: newId(world, options.pending ? 'pyr' : 're'),
      created: world.now,
      amount,
      currency: charge.currency,
      charge: charge.id,
      paymentIntent: charge.paymentIntent,
      customer: charge.customer,
      paymentMethod: charge.card?.paymentMethod ?? null,
      status: options.pending ? 'pending' : 'succeeded',
      balanceTransaction: newId(world, 'txn'),
      failure: null,
    }
    recordEvent(world, 'refund.created', made)
    changeObject(
      world,
      charge,
      // Newest first; the amount is cumulative.
      { amountRefunded: charge.amountRefunded + amount, refunds: [made, ...charge.refunds] },
      'charge.refunded',
    )
    return made
  })
}

/** Of what was authorised, money that is not taken goes free: Stripe writes it down as a refund, though none has moved. */
export function releaseHeld(world: World, charge: Charge, amount: number, ...types: string[]): void {
  const made: Refund = {
    kind: 'refund',
    id: newId(world, 're'),
    created: world.now,
    amount,
    currency: charge.currency,
    charge: charge.id,
    paymentIntent: charge.paymentIntent,
    customer: charge.customer,
    paymentMethod: charge.card?.paymentMethod ?? null,
    status: 'succeeded',
    balanceTransaction: null,
    failure: null,
  }
  recordEvent(world, 'refund.created', made)
  const news = { amountRefunded: charge.amountRefunded + amount, refunds: [made, ...charge.refunds] }
  changeObject(world, charge, news, ...types)
}

/** A refund that was under way arrives. */
export function completeRefund(world: World, refund: Refund): void {
  changeObject(world, refund, { status: 'succeeded' }, 'charge.refund.updated', 'refund.updated')
}

/** A refund that was under way comes back: the money is Stripe's customer's again. */
export function failRefund(world: World, charge: Charge, refund: Refund): void {
  const failure = { reason: 'lost_or_stolen_card', balanceTransaction: newId(world, 'txn') }
  changeObject(world, refund, { status: 'failed', failure }, 'charge.refund.updated', 'refund.updated', 'refund.failed')
  changeObject(world, charge, { amountRefunded: charge.amountRefunded - refund.amount }, 'charge.updated')
}
