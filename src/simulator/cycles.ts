import { boundaryAfter, DAY, HOUR } from './calendar.ts'
import { end, pauseHard, resumeHard } from './changes.ts'
import type { Charge, Customer, Invoice, Item, Line, Subscription } from './facts.ts'
import { announce, finalState, newInvoice } from './invoices.ts'
import { periodLines } from './lines.ts'
import { fail, finalize, type Payment, pay } from './payments.ts'
import { change, tell, type World, wait } from './world.ts'

export interface Billed {
  invoice: Invoice
  payment: Payment | null
}
type Cycle = {
  /** Lines that waited for this invoice. */
  waiting?: Line[]
  /** What a metered item has used up in the period that ends. */
  usage?: number
  /** Tells `invoice.upcoming` a week before. */
  announced?: boolean
  /** Items that a schedule brings with the new period. */
  items?: Item[]
  adjust?: (lines: Line[]) => void
}

/** The clock goes on to the end of the running period. */
export const toPeriodEnd = (world: World, subscription: Subscription): void =>
  wait(world, Math.max(0, subscription.periodEnd - world.now))

/** The period (or trial) is over: the subscription rolls into the next one, and its draft invoice comes into being. */
export function roll(world: World, customer: Customer, subscription: Subscription, cycle: Cycle = {}): Invoice {
  const { recurring } = subscription.items[0]!.price
  const past = { start: subscription.periodStart, end: subscription.periodEnd }
  const next = { start: past.end, end: boundaryAfter(subscription.anchor, recurring!, past.end) }
  const items = cycle.items ?? subscription.items
  const linesOf = () => {
    const lines = [
      ...(cycle.waiting ?? []),
      ...items.flatMap((item) =>
        item.quantity === null
          ? periodLines(world, subscription, item, past, cycle.usage ?? 0)
          : periodLines(world, subscription, item, next),
      ),
    ]
    cycle.adjust?.(lines)
    return lines
  }
  if (cycle.announced) {
    wait(world, Math.max(0, past.end - 7 * DAY - world.now))
    announce(world, customer, { lines: linesOf(), subscription, period: past })
  }
  toPeriodEnd(world, subscription)
  const invoice = newInvoice(world, customer, {
    billingReason: 'subscription_cycle',
    lines: linesOf(),
    subscription,
    period: past,
    autoAdvance: subscription.pauseCollection?.behavior !== 'keep_as_draft',
  })
  change(
    world,
    subscription,
    {
      items,
      periodStart: next.start,
      periodEnd: next.end,
      latestInvoice: invoice.id,
      status: subscription.status === 'trialing' ? 'active' : subscription.status,
    },
    'customer.subscription.updated',
  )
  tell(world, 'invoice.created', invoice)
  return invoice
}

/** The hour's grace for changes to a draft is over. */
export function finalizeLater(
  world: World,
  customer: Customer,
  invoice: Invoice,
  daysUntilDue: number | null = null,
): Payment {
  wait(world, HOUR)
  return finalize(world, customer, invoice, daysUntilDue)
}

/** A whole cycle: roll, an hour as a draft, payment. */
export function renew(world: World, customer: Customer, subscription: Subscription, cycle: Cycle = {}): Charge {
  const invoice = roll(world, customer, subscription, cycle)
  const payment = finalizeLater(world, customer, invoice)
  wait(world, 1)
  return pay(world, customer, invoice, payment)
}

/** A cycle whose payment fails at the first try: the subscription is past due. */
export function renewInVain(
  world: World,
  customer: Customer,
  subscription: Subscription,
  retryIn: number,
): Billed & { payment: Payment } {
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
  { invoice, payment }: Billed & { payment: Payment },
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
  { invoice, payment }: Billed & { payment: Payment },
): Charge {
  const charge = pay(world, customer, invoice, payment)
  change(world, subscription, { status: 'active' }, 'customer.subscription.updated')
  return charge
}

/** A cycle while collection is paused with `void`: the invoice is void as soon as it would be final. */
export function rollVoided(world: World, customer: Customer, subscription: Subscription): void {
  const invoice = roll(world, customer, subscription)
  wait(world, HOUR)
  const news: Partial<Invoice> = {
    ...finalState(world, customer, invoice),
    status: 'void',
    voidedAt: world.now,
    autoAdvance: false,
    nextPaymentAttempt: null,
  }
  change(world, invoice, news, 'invoice.finalized', 'invoice.voided', 'invoice.updated')
}

/** Three days before a trial ends. */
export function warnOfTrialEnd(world: World, subscription: Subscription): void {
  wait(world, Math.max(0, subscription.trialEnd! - 3 * DAY - world.now))
  tell(world, 'customer.subscription.trial_will_end', subscription)
}

/** The trial ends and nobody can be charged: the subscription ends or is paused, as it was agreed. */
export function endTrialUnpayable(world: World, subscription: Subscription): void {
  toPeriodEnd(world, subscription)
  if (subscription.missingPaymentMethod === 'cancel') end(world, subscription)
  else pauseHard(world, subscription, 'trial_end_without_payment_method')
}

/** A subscription paused at its trial's end begins its first paid period now. */
export function resumeWithInvoice(world: World, customer: Customer, subscription: Subscription): void {
  const { recurring } = subscription.items[0]!.price
  const period = { start: world.now, end: boundaryAfter(world.now, recurring!, world.now) }
  const lines = subscription.items.flatMap((item) => periodLines(world, subscription, item, period))
  const invoice = newInvoice(world, customer, { billingReason: 'subscription_update', lines, subscription })
  resumeHard(world, subscription, {
    anchor: world.now,
    periodStart: period.start,
    periodEnd: period.end,
    latestInvoice: invoice.id,
  })
  tell(world, 'invoice.created', invoice)
  const payment = finalize(world, customer, invoice)
  wait(world, 1)
  pay(world, customer, invoice, payment)
}

/** A subscription whose cancellation was scheduled reaches its end. */
export function reachEnd(world: World, subscription: Subscription): void {
  wait(world, Math.max(0, (subscription.cancelAt ?? subscription.periodEnd) - world.now))
  end(world, subscription)
}
