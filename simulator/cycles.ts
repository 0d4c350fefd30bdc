import { boundaryAfter, DAY, HOUR } from './calendar.ts'
import { endSubscription } from './changes.ts'
import { finalState, newInvoice, paidState, previewInvoice } from './invoices.ts'
import { periodLines } from './lines.ts'
import type { Customer, Invoice, Item, Line, Subscription } from './objects/billing.ts'
import type { Charge } from './objects/payment.ts'
import { finalizeInvoice, type Payment, payInvoice } from './payments.ts'
import { present } from './present.ts'
import { advanceClock, changeObject, recordEvent, type World } from './world.ts'

type CycleOptions = {
  /** Lines that waited for this invoice. */
  waiting?: Line[]
  /** What a metered item has used up in the period that ends. */
  usage?: number
  /** Tells `invoice.upcoming` a week before. */
  isAnnounced?: boolean
  /** Items as they are from the new period on, e.g. by a schedule. */
  items?: Item[]
  /** How many periods are billed in advance. */
  periods?: number
  adjust?: (lines: Line[]) => void
}

/** The clock goes on to the end of the running period. */
export const toPeriodEnd = (world: World, subscription: Subscription): void =>
  advanceClock(world, Math.max(0, subscription.periodEnd - world.now))

/** The period (or trial) is over: the subscription rolls into the next one, and its draft invoice comes into being. */
export function rollPeriod(
  world: World,
  customer: Customer,
  subscription: Subscription,
  cycle: CycleOptions = {},
): Invoice {
  const { recurring } = present(subscription.items[0]).price
  const past = { start: subscription.periodStart, end: subscription.periodEnd }
  const next = { start: past.end, end: boundaryAfter(subscription.anchor, present(recurring), past.end) }
  const items = (cycle.items ?? subscription.items).map((item) => rollOwnPeriod(item, subscription.anchor, past.end))
  const periodsFrom = (start: number) => {
    const periods = [{ start, end: boundaryAfter(subscription.anchor, present(recurring), start) }]
    while (periods.length < (cycle.periods ?? 1)) {
      const { end } = present(periods.at(-1))
      periods.push({ start: end, end: boundaryAfter(subscription.anchor, present(recurring), end) })
    }
    return periods
  }
  const cycleLines = () => {
    const lines = [
      ...(cycle.waiting ?? []),
      ...items.flatMap((item) =>
        item.quantity === null
          ? periodLines(world, subscription, item, { ...past, quantity: cycle.usage ?? 0 })
          : (item.period ? begunAt(item.period, next.start) : periodsFrom(next.start)).flatMap((period) =>
              periodLines(world, subscription, item, period),
            ),
      ),
    ]
    cycle.adjust?.(lines)
    return lines
  }
  if (cycle.isAnnounced) {
    advanceClock(world, Math.max(0, past.end - 7 * DAY - world.now))
    previewInvoice(world, customer, { lines: cycleLines(), subscription, period: past })
  }
  toPeriodEnd(world, subscription)
  const invoice = newInvoice(world, customer, {
    billingReason: 'subscription_cycle',
    lines: cycleLines(),
    subscription,
    period: past,
    autoAdvance: subscription.pauseCollection?.behavior !== 'keep_as_draft',
  })
  changeObject(
    world,
    subscription,
    {
      items,
      configuredAt: haveSameItems(items, subscription.items) ? subscription.configuredAt : world.now,
      periodStart: next.start,
      periodEnd: next.end,
      latestInvoice: invoice.id,
      status: subscription.status === 'trialing' ? 'active' : subscription.status,
    },
    'customer.subscription.updated',
  )
  recordEvent(world, 'invoice.created', invoice)
  return invoice
}

/** An item with periods of its own goes on to the next where the running one ends. */
function rollOwnPeriod(item: Item, anchor: number, at: number): Item {
  if (item.period?.end !== at) return item
  return { ...item, period: { start: at, end: boundaryAfter(anchor, present(item.price.recurring), at) } }
}

const begunAt = (period: { start: number; end: number }, at: number) => (period.start === at ? [period] : [])

const haveSameItems = (some: readonly Item[], others: readonly Item[]) =>
  some.length === others.length &&
  some.every(
    ({ price, quantity }, at) => price.id === present(others[at]).price.id && quantity === present(others[at]).quantity,
  )

/** The hour's grace for changes to a draft is over. */
export function finalizeLater(
  world: World,
  customer: Customer,
  invoice: Invoice,
  daysUntilDue: number | null = null,
): Payment {
  advanceClock(world, HOUR)
  return finalizeInvoice(world, customer, invoice, daysUntilDue)
}

/** A cycle that costs nothing: its draft is final and paid in one. */
export function renewForNothing(
  world: World,
  customer: Customer,
  subscription: Subscription,
  cycle: CycleOptions,
): void {
  const invoice = rollPeriod(world, customer, subscription, cycle)
  advanceClock(world, HOUR)
  const paid = { ...finalState(world, customer, invoice), ...paidState(world, invoice) }
  changeObject(
    world,
    invoice,
    paid,
    'invoice.finalized',
    'invoice.updated',
    'invoice.paid',
    'invoice.payment_succeeded',
  )
}

/** The period rolls without an invoice: it was billed in advance. */
export function rollBilled(world: World, subscription: Subscription): void {
  toPeriodEnd(world, subscription)
  const { anchor, items, periodEnd } = subscription
  const news = {
    periodStart: periodEnd,
    periodEnd: boundaryAfter(anchor, present(present(items[0]).price.recurring), periodEnd),
  }
  changeObject(world, subscription, news, 'customer.subscription.updated')
}

/** Usage reaches a threshold in the midst of a period: what was used is billed at once. */
export function billThreshold(world: World, customer: Customer, subscription: Subscription, usage: number): void {
  const past = { start: subscription.periodStart, end: world.now }
  const lines = subscription.items.flatMap((item) =>
    periodLines(world, subscription, item, { ...past, quantity: usage }),
  )
  const invoice = newInvoice(world, customer, { billingReason: 'subscription_threshold', lines, subscription })
  changeObject(world, subscription, { latestInvoice: invoice.id }, 'customer.subscription.updated')
  recordEvent(world, 'invoice.created', invoice)
  const payment = finalizeLater(world, customer, invoice)
  advanceClock(world, 1)
  payInvoice(world, customer, invoice, payment)
}

/** A whole cycle: roll, an hour as a draft, payment. */
export function renewSubscription(
  world: World,
  customer: Customer,
  subscription: Subscription,
  cycle: CycleOptions = {},
): Charge {
  const invoice = rollPeriod(world, customer, subscription, cycle)
  const payment = finalizeLater(world, customer, invoice)
  advanceClock(world, 1)
  return payInvoice(world, customer, invoice, payment)
}

/** A cycle while collection is paused: the invoice stays a draft, or comes to its end as soon as it would be final. */
export function rollPaused(world: World, customer: Customer, subscription: Subscription): void {
  const invoice = rollPeriod(world, customer, subscription)
  const { behavior } = present(subscription.pauseCollection)
  if (behavior === 'keep_as_draft') return
  advanceClock(world, HOUR)
  const final = { ...finalState(world, customer, invoice), autoAdvance: false, nextPaymentAttempt: null }
  if (behavior === 'void')
    changeObject(
      world,
      invoice,
      { ...final, status: 'void', voidedAt: world.now },
      'invoice.finalized',
      'invoice.voided',
      'invoice.updated',
    )
  else
    changeObject(
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
  advanceClock(world, Math.max(0, (subscription.cancelAt ?? subscription.periodEnd) - world.now))
  endSubscription(world, subscription)
}
