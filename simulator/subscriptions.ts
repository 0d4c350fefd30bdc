import { boundaryAfter, DAY, HOUR } from './calendar.ts'
import { settleCurrency } from './customers.ts'
import { newInvoice, settleAtOnce, voidInvoice } from './invoices.ts'
import { oneOffLine, periodLines, trialLine } from './lines.ts'
import type { CollectionMethod, Customer, Invoice, Item, Line, Price, Subscription } from './objects/billing.ts'
import type { Charge } from './objects/payment.ts'
import { failPayment, finalizeInvoice, type Payment, payInvoice } from './payments.ts'
import { present } from './present.ts'
import { totalOf } from './totals.ts'
import { advanceClock, asOneRequest, changeObject, newId, recordEvent, type World } from './world.ts'

export interface SubscriptionTerms {
  trialDays?: number
  missingPaymentMethod?: Subscription['missingPaymentMethod']
  collection?: CollectionMethod
  daysUntilDue?: number
  /** A trial of the items, as opposed to one of the subscription. */
  offer?: NonNullable<Item['trialOffer']>
  /** Bought once with the first invoice, e.g. a setup fee. */
  alongside?: Price[]
  metadata?: Record<string, string>
  /** Changes the lines of the first invoice, e.g. adds tax. */
  adjust?: (lines: Line[]) => void
}
export type WantedItem = { price: Price; quantity?: number }

/** A subscription with what its scenario goes on with. */
export interface StartedSubscription {
  subscription: Subscription
  invoice: Invoice
  payment: Payment | null
  charge: Charge | null
}

/** Whatever is wanted, as a subscription that has not started yet. */
export function newSubscription(
  world: World,
  customer: Customer,
  wanted: WantedItem[],
  terms: SubscriptionTerms,
): Subscription {
  const id = newId(world, 'sub')
  const { offer = null, trialDays } = terms
  const trialEnd = trialDays === undefined ? null : world.now + trialDays * DAY
  const freeUntil = trialEnd ?? offer?.end ?? null
  const { recurring } = present(wanted[0]).price
  return {
    kind: 'subscription',
    id,
    created: world.now,
    customer: customer.id,
    status: freeUntil === null ? 'active' : 'trialing',
    items: wanted
      .map((one) => ({ ...newItem(world, id, one), trialOffer: offer }))
      .map((item) => ({
        ...item,
        period: freeUntil === null ? ownPeriod(item, present(wanted[0]).price, world.now) : null,
      })),
    startDate: world.now,
    configuredAt: world.now,
    anchor: freeUntil ?? world.now,
    periodStart: world.now,
    periodEnd: freeUntil ?? boundaryAfter(world.now, present(recurring), world.now),
    trialStart: trialEnd === null ? null : world.now,
    trialEnd,
    missingPaymentMethod: terms.missingPaymentMethod ?? 'create_invoice',
    cancelAt: null,
    cancelAtPeriodEnd: false,
    canceledAt: null,
    endedAt: null,
    cancellationReason: null,
    collection: terms.collection ?? 'charge_automatically',
    daysUntilDue: terms.collection === 'send_invoice' ? (terms.daysUntilDue ?? 30) : null,
    paymentMethod: null,
    latestInvoice: null,
    pauseCollection: null,
    paused: null,
    schedule: null,
    flexible: world.defaults.flexible,
    metadata: { ...world.metadata, ...terms.metadata },
    testClock: customer.testClock,
  }
}

const newItem = (world: World, subscription: string, { price, quantity }: WantedItem): Item => ({
  kind: 'subscription_item',
  id: newId(world, 'si'),
  created: world.now,
  subscription,
  price,
  quantity: present(price.recurring).usage === 'metered' ? null : (quantity ?? 1),
  trialOffer: null,
  billedUntil: null,
  period: null,
})

/** An item of another interval than the first has periods of its own, counted from the same anchor; it is to be the longer one. */
function ownPeriod({ price: { recurring } }: Item, first: Price, start: number): Item['period'] {
  const own = present(recurring)
  const { interval, intervalCount } = present(first.recurring)
  if (own.interval === interval && own.intervalCount === intervalCount) return null
  return { start, end: boundaryAfter(start, own, start) }
}

/** The first invoice's lines: the trial or the first period, and what is bought with it. */
export function firstLines(world: World, subscription: Subscription, terms: SubscriptionTerms): Line[] {
  const period = { start: subscription.periodStart, end: subscription.periodEnd }
  const lines = [
    ...subscription.items.flatMap((item) =>
      subscription.status === 'trialing'
        ? [trialLine(world, subscription, item)]
        : periodLines(world, subscription, item, item.period ?? period),
    ),
    ...(terms.alongside ?? []).map((price) => oneOffLine(world, price, 1, subscription.id)),
  ]
  terms.adjust?.(lines)
  return lines
}

/** A customer subscribes through the API and pays the first invoice with the card at hand; invoices that are sent stay open. */
export function startSubscription(
  world: World,
  customer: Customer,
  wanted: WantedItem[],
  terms: SubscriptionTerms = {},
): StartedSubscription {
  const subscription = newSubscription(world, customer, wanted, terms)
  customer.subscriptions.push(subscription)
  const lines = firstLines(world, subscription, terms)
  const draft = { billingReason: 'subscription_create', lines, subscription } as const
  if (totalOf({ lines }) === 0)
    return asOneRequest(world, () => {
      const invoice = newInvoice(world, customer, draft)
      subscription.latestInvoice = invoice.id
      recordEvent(world, 'customer.subscription.created', subscription)
      settleAtOnce(world, customer, invoice)
      return { subscription, invoice, payment: null, charge: null }
    })
  const invoice = asOneRequest(world, () => {
    const first = newInvoice(world, customer, draft)
    subscription.latestInvoice = first.id
    recordEvent(world, 'customer.subscription.created', subscription)
    settleCurrency(world, customer, first.currency)
    recordEvent(world, 'invoice.created', first)
    return first
  })
  if (subscription.collection === 'send_invoice') {
    advanceClock(world, HOUR)
    const payment = finalizeInvoice(world, customer, invoice, subscription.daysUntilDue)
    return { subscription, invoice, payment, charge: null }
  }
  const payment = asOneRequest(world, () => finalizeInvoice(world, customer, invoice))
  advanceClock(world, 1)
  return { subscription, invoice, payment, charge: payInvoice(world, customer, invoice, payment) }
}

/** The first payment needs the customer once more (another card, a confirmation): the subscription is `incomplete`. */
export function subscribeIncomplete(
  world: World,
  customer: Customer,
  wanted: WantedItem[],
  terms: SubscriptionTerms = {},
) {
  const subscription = newSubscription(world, customer, wanted, terms)
  subscription.status = 'incomplete'
  customer.subscriptions.push(subscription)
  return asOneRequest(world, () => {
    const lines = firstLines(world, subscription, terms)
    const draft = { billingReason: 'subscription_create', lines, subscription, autoAdvance: false } as const
    const invoice = newInvoice(world, customer, draft)
    subscription.latestInvoice = invoice.id
    recordEvent(world, 'customer.subscription.created', subscription)
    settleCurrency(world, customer, invoice.currency)
    recordEvent(world, 'invoice.created', invoice)
    return { subscription, invoice, payment: finalizeInvoice(world, customer, invoice) }
  })
}

/** The card is declined at the first try. */
export function declineFirst(
  world: World,
  customer: Customer,
  { invoice, payment }: { invoice: Invoice; payment: Payment },
) {
  asOneRequest(world, () => failPayment(world, customer, { invoice, payment }, null))
}

/** The first payment succeeds after all. */
export function completeFirstPayment(
  world: World,
  customer: Customer,
  { subscription, invoice, payment }: { subscription: Subscription; invoice: Invoice; payment: Payment },
): Charge {
  const charge = payInvoice(world, customer, invoice, payment)
  const paymentMethod = customer.card?.paymentMethod ?? null
  changeObject(world, subscription, { status: 'active', paymentMethod }, 'customer.subscription.updated')
  return charge
}

/** 23 hours without the first payment: the subscription has never begun, its invoice is void. */
export function expireIncomplete(
  world: World,
  { subscription, invoice }: { subscription: Subscription; invoice: Invoice },
): void {
  advanceClock(world, 23 * HOUR)
  const news: Partial<Subscription> = { status: 'incomplete_expired', endedAt: world.now }
  changeObject(world, subscription, news, 'customer.subscription.updated')
  voidInvoice(world, invoice)
}

/** The bank wants the customer to confirm the first payment. */
export function askToConfirm(world: World, { invoice, payment }: { invoice: Invoice; payment: Payment }): void {
  changeObject(world, payment.intent, { status: 'requires_action' }, 'payment_intent.requires_action')
  changeObject(world, invoice, { attempted: true }, 'invoice.payment_action_required')
}
