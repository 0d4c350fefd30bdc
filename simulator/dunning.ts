import { finalizeLater, roll } from './cycles.ts'
import type { Customer, Invoice, Subscription } from './facts.ts'
import type { Charge } from './payment-facts.ts'
import { fail, type Payment, pay } from './payments.ts'
import { change, type World, wait } from './world.ts'

/** An invoice that is open, and what is under way to pay it. */
export interface Unpaid {
  invoice: Invoice
  payment: Payment
}

/** A cycle whose payment fails at the first try: the subscription is past due. */
export function renewInVain(world: World, customer: Customer, subscription: Subscription, retryIn: number): Unpaid {
  const invoice = roll(world, customer, subscription)
  const payment = finalizeLater(world, customer, invoice)
  wait(world, 1)
  fail(world, customer, invoice, payment, retryIn)
  change(world, subscription, { status: 'past_due' }, 'customer.subscription.updated')
  return { invoice, payment }
}

/** Another try, `after` seconds later, fails as well; null for `retryIn` is the last one. */
export function retryInVain(
  world: World,
  customer: Customer,
  { invoice, payment }: Unpaid,
  after: number,
  retryIn: number | null,
): void {
  wait(world, after)
  fail(world, customer, invoice, payment, retryIn)
}

/** The open invoice is paid after all. */
export function recover(
  world: World,
  customer: Customer,
  subscription: Subscription,
  { invoice, payment }: Unpaid,
): Charge {
  const charge = pay(world, customer, invoice, payment)
  change(world, subscription, { status: 'active' }, 'customer.subscription.updated')
  return charge
}
