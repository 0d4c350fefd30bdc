import { boundaryAfter } from './calendar.ts'
import { newInvoice, pendingItem, settleAtOnce } from './invoices.ts'
import { periodLines, prorationLine } from './lines.ts'
import type { Customer, Item, Line, PauseReason, Price, Subscription } from './objects/billing.ts'
import { finalizeInvoice, payInvoice } from './payments.ts'
import { present } from './present.ts'
import type { WantedItem } from './subscriptions.ts'
import { totalOf } from './totals.ts'
import { advanceClock, asOneRequest, changeObject, recordEvent, type World } from './world.ts'

/**
 * Swaps price or quantity of the first item in the midst of a period. The proration lines are billed at once, or returned
 * to wait for the next invoice.
 */
export function swapItem(
  world: World,
  customer: Customer,
  subscription: Subscription,
  { price, quantity, billing }: WantedItem & { billing: 'at once' | 'next invoice' },
): Line[] {
  const [item, ...others] = subscription.items as [Item, ...Item[]]
  const next: Item = { ...item, price, quantity: quantity ?? item.quantity }
  const lines = [
    prorationLine(world, subscription, { ...item, quantity: present(item.quantity) }, -1),
    prorationLine(world, subscription, { ...next, quantity: present(next.quantity) }, 1),
  ]
  const news = { items: [next, ...others], configuredAt: world.now }
  if (billing === 'at once')
    asOneRequest(world, () => billChange(world, customer, subscription, { changes: news, lines }))
  else
    asOneRequest(world, () => {
      for (const line of lines) pendingItem(world, customer, line)
      changeObject(world, subscription, news, 'customer.subscription.updated')
    })
  return lines
}

/** The change and its invoice share one request; a credit is settled at once, a debit is charged. */
function billChange(
  world: World,
  customer: Customer,
  subscription: Subscription,
  { changes, lines }: { changes: Partial<Subscription>; lines: Line[] },
): void {
  const invoice = newInvoice(world, customer, { billingReason: 'subscription_update', lines, subscription })
  changeObject(world, subscription, { ...changes, latestInvoice: invoice.id }, 'customer.subscription.updated')
  if (totalOf(invoice) <= 0) {
    settleAtOnce(world, customer, invoice)
    return
  }
  recordEvent(world, 'invoice.created', invoice)
  const payment = finalizeInvoice(world, customer, invoice)
  advanceClock(world, 1)
  payInvoice(world, customer, invoice, payment)
}

/** To a price of another interval: a new period begins now, what is left of the old one is given back. */
export function switchInterval(world: World, customer: Customer, subscription: Subscription, price: Price): void {
  const [item] = subscription.items as [Item]
  const credit = prorationLine(world, subscription, { ...item, quantity: present(item.quantity) }, -1)
  const items = [{ ...item, price }]
  const period = { start: world.now, end: boundaryAfter(world.now, present(price.recurring), world.now) }
  const lines = [credit, ...periodLines(world, subscription, present(items[0]), period)]
  const { start, end: periodEnd } = period
  const news = { items, configuredAt: start, anchor: start, periodStart: start, periodEnd }
  asOneRequest(world, () => billChange(world, customer, subscription, { changes: news, lines }))
}

/** One change through the API, told by `customer.subscription.updated`. */
export function updateSubscription(world: World, subscription: Subscription, news: Partial<Subscription>): void {
  asOneRequest(world, () => changeObject(world, subscription, news, 'customer.subscription.updated'))
}

/** Asked for through API or dashboard: the boolean, and the date with it. */
export const cancelAtPeriodEnd = (world: World, subscription: Subscription): void =>
  updateSubscription(world, subscription, {
    cancelAtPeriodEnd: true,
    cancelAt: subscription.periodEnd,
    canceledAt: world.now,
    cancellationReason: 'cancellation_requested',
  })

/** Asked for in the customer portal: of a flexible subscription the date alone is set (docs/stripe.md 2.2). */
export const cancelInPortal = (world: World, subscription: Subscription): void =>
  subscription.flexible
    ? cancelAtDate(world, subscription, subscription.periodEnd)
    : cancelAtPeriodEnd(world, subscription)

export const cancelAtDate = (world: World, subscription: Subscription, at: number): void =>
  updateSubscription(world, subscription, {
    cancelAt: at,
    canceledAt: world.now,
    cancellationReason: 'cancellation_requested',
  })

/** The customer stays. */
export const undoCancellation = (world: World, subscription: Subscription): void =>
  updateSubscription(world, subscription, {
    cancelAtPeriodEnd: false,
    cancelAt: null,
    canceledAt: null,
    cancellationReason: null,
  })

export function cancelNow(world: World, subscription: Subscription): void {
  asOneRequest(world, () => endSubscription(world, subscription, 'cancellation_requested'))
}

/** The subscription ends now; an earlier request to cancel keeps its time. */
export function endSubscription(
  world: World,
  subscription: Subscription,
  reason: Subscription['cancellationReason'] = subscription.cancellationReason,
): void {
  Object.assign(subscription, {
    status: 'canceled',
    canceledAt: subscription.canceledAt ?? world.now,
    endedAt: world.now,
    cancellationReason: reason,
  })
  recordEvent(world, 'customer.subscription.deleted', subscription)
}

/** Invoices go on, nobody is charged; the status stays as it is. */
export const pauseCollection = (
  world: World,
  subscription: Subscription,
  behavior: NonNullable<Subscription['pauseCollection']>['behavior'],
  resumesAt: number | null = null,
): void => updateSubscription(world, subscription, { pauseCollection: { behavior, resumesAt } })

/** By request, or by itself when the date of the pause is reached. */
export const resumeCollection = (world: World, subscription: Subscription): void =>
  changeObject(world, subscription, { pauseCollection: null }, 'customer.subscription.updated')

/** The status becomes `paused`: no invoices, no periods. Two events tell it. */
export const pauseHard = (
  world: World,
  subscription: Subscription,
  why: PauseReason,
  news: Partial<Subscription> = {},
): void =>
  changeObject(
    world,
    subscription,
    { ...news, status: 'paused', paused: { at: world.now, why } },
    'customer.subscription.paused',
    'customer.subscription.updated',
  )

export function resumeHard(world: World, subscription: Subscription, news: Partial<Subscription> = {}): void {
  asOneRequest(world, () =>
    changeObject(
      world,
      subscription,
      { ...news, status: 'active', paused: null },
      'customer.subscription.resumed',
      'customer.subscription.updated',
    ),
  )
}

/** A deleted customer's subscriptions end with them. */
export function deleteCustomer(world: World, customer: Customer): void {
  asOneRequest(world, () => {
    const running = customer.subscriptions.filter(({ status }) => status !== 'canceled')
    customer.subscriptions = []
    recordEvent(world, 'customer.deleted', customer)
    for (const subscription of running) endSubscription(world, subscription, null)
  })
}
