import { boundaryAfter, DAY, HOUR } from './calendar.ts'
import { end } from './changes.ts'
import type { Customer, Invoice, Item, Line, Subscription } from './facts.ts'
import { announce, finalState, newInvoice, paidState } from './invoices.ts'
import { periodLines } from './lines.ts'
import type { Charge } from './payment-facts.ts'
import { finalize, type Payment, pay } from './payments.ts'
import { change, tell, type World, wait } from './world.ts'

type Cycle = {
  /** Lines that waited for this invoice. */
  waiting?: Line[]
  /** What a metered item has used up in the period that ends. */
  usage?: number
  /** Tells `invoice.upcoming` a week before. */
  announced?: boolean
  /** Items as they are from the new period on, e.g. by a schedule. */
  items?: Item[]
  /** How many periods are billed in advance. */
  periods?: number
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
  const periodsFrom = (start: number) => {
    const periods = [{ start, end: boundaryAfter(subscription.anchor, recurring!, start) }]
    while (periods.length < (cycle.periods ?? 1)) {
      const { end } = periods.at(-1)!
      periods.push({ start: end, end: boundaryAfter(subscription.anchor, recurring!, end) })
    }
    return periods
  }
  const linesOf = () => {
    const lines = [
      ...(cycle.waiting ?? []),
      ...items.flatMap((item) =>
        item.quantity === null
          ? periodLines(world, subscription, item, past, cycle.usage ?? 0)
          : periodsFrom(next.start).flatMap((period) => periodLines(world, subscription, item, period)),
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
      configuredAt: sameWants(items, subscription.items) ? subscription.configuredAt : world.now,
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

const sameWants = (some: readonly Item[], others: readonly Item[]) =>
  some.length === others.length &&
  some.every(({ price, quantity }, at) => price.id === others[at]!.price.id && quantity === others[at]!.quantity)

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

/** A cycle that costs nothing: its draft is final and paid in one. */
export function renewForNothing(world: World, customer: Customer, subscription: Subscription, cycle: Cycle): void {
  const invoice = roll(world, customer, subscription, cycle)
  wait(world, HOUR)
  const paid = { ...finalState(world, customer, invoice), ...paidState(world, invoice) }
  change(world, invoice, paid, 'invoice.finalized', 'invoice.updated', 'invoice.paid', 'invoice.payment_succeeded')
}

/** The period rolls without an invoice: it was billed in advance. */
export function rollBilled(world: World, subscription: Subscription): void {
  toPeriodEnd(world, subscription)
  const { anchor, items, periodEnd } = subscription
  const news = { periodStart: periodEnd, periodEnd: boundaryAfter(anchor, items[0]!.price.recurring!, periodEnd) }
  change(world, subscription, news, 'customer.subscription.updated')
}

/** Usage reaches a threshold in the midst of a period: what was used is billed at once. */
export function billThreshold(world: World, customer: Customer, subscription: Subscription, usage: number): void {
  const past = { start: subscription.periodStart, end: world.now }
  const lines = subscription.items.flatMap((item) => periodLines(world, subscription, item, past, usage))
  const invoice = newInvoice(world, customer, { billingReason: 'subscription_threshold', lines, subscription })
  change(world, subscription, { latestInvoice: invoice.id }, 'customer.subscription.updated')
  tell(world, 'invoice.created', invoice)
  const payment = finalizeLater(world, customer, invoice)
  wait(world, 1)
  pay(world, customer, invoice, payment)
}

/** A whole cycle: roll, an hour as a draft, payment. */
export function renew(world: World, customer: Customer, subscription: Subscription, cycle: Cycle = {}): Charge {
  const invoice = roll(world, customer, subscription, cycle)
  const payment = finalizeLater(world, customer, invoice)
  wait(world, 1)
  return pay(world, customer, invoice, payment)
}

/** A cycle while collection is paused: the invoice stays a draft, or comes to its end as soon as it would be final. */
export function rollPaused(world: World, customer: Customer, subscription: Subscription): void {
  const invoice = roll(world, customer, subscription)
  const { behavior } = subscription.pauseCollection!
  if (behavior === 'keep_as_draft') return
  wait(world, HOUR)
  const final = { ...finalState(world, customer, invoice), autoAdvance: false, nextPaymentAttempt: null }
  if (behavior === 'void')
    change(
      world,
      invoice,
      { ...final, status: 'void', voidedAt: world.now },
      'invoice.finalized',
      'invoice.voided',
      'invoice.updated',
    )
  else
    change(
      world,
      invoice,
      { ...final, status: 'uncollectible', uncollectibleAt: world.now },
      'invoice.finalized',
      'invoice.marked_uncollectible',
      'invoice.updated',
    )
}

/** A subscription whose cancellation was scheduled reaches its end. */
export function reachEnd(world: World, subscription: Subscription): void {
  wait(world, Math.max(0, (subscription.cancelAt ?? subscription.periodEnd) - world.now))
  end(world, subscription)
}
