import { finalizeLater, rollPeriod } from './cycles.ts'
import type { Customer, Invoice, Subscription } from './objects/billing.ts'
import type { Charge } from './objects/payment.ts'
import { failPayment, type Payment, payInvoice } from './payments.ts'
import { advanceClock, changeObject, type World } from './world.ts'

/** An invoice that is open, and what is under way to pay it. */
export interface UnpaidInvoice {
  invoice: Invoice
  payment: Payment
}

/** A cycle whose payment fails at the first try: the subscription is past due. */
export function renewInVain(
  world: World,
  customer: Customer,
  subscription: Subscription,
  retryIn: number,
): UnpaidInvoice {
  const invoice = rollPeriod(world, customer, subscription)
  const payment = finalizeLater(world, customer, invoice)
  advanceClock(world, 1)
  failPayment(world, customer, { invoice, payment }, retryIn)
  changeObject(world, subscription, { status: 'past_due' }, 'customer.subscription.updated')
  return { invoice, payment }
}

/** Another try, `after` seconds later, fails as well; null for `retryIn` is the last one. */
export function retryInVain(
  world: World,
  customer: Customer,
  { invoice, payment }: UnpaidInvoice,
  { after, retryIn }: { after: number; retryIn: number | null },
): void {
  advanceClock(world, after)
  failPayment(world, customer, { invoice, payment }, retryIn)
}

/** The open invoice is paid after all. */
export function payAfterAll(
  world: World,
  customer: Customer,
  subscription: Subscription,
  { invoice, payment }: UnpaidInvoice,
): Charge {
  const charge = payInvoice(world, customer, invoice, payment)
  changeObject(world, subscription, { status: 'active' }, 'customer.subscription.updated')
  return charge
}
