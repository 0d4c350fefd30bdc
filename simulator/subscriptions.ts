import { boundaryAfter, DAY, HOUR } from './calendar.ts'
import { settleCurrency } from './customers.ts'
import type { Collection, Customer, Invoice, Item, Line, Price, Subscription } from './facts.ts'
import { newInvoice, settleAtOnce, voidInvoice } from './invoices.ts'
import { oneOffLine, periodLines, trialLine } from './lines.ts'
import type { Charge } from './payment-facts.ts'
import { fail, finalize, type Payment, pay } from './payments.ts'
import { total } from './totals.ts'
import { byRequest, change, newId, tell, type World, wait } from './world.ts'

export interface Terms {
  trialDays?: number
  missingPaymentMethod?: Subscription['missingPaymentMethod']
  collection?: Collection
  daysUntilDue?: number
  /** A trial of the items, as opposed to one of the subscription. */
  offer?: NonNullable<Item['trialOffer']>
  /** Bought once with the first invoice, e.g. a setup fee. */
  alongside?: Price[]
  metadata?: Record<string, string>
  /** Changes the lines of the first invoice, e.g. adds tax. */
  adjust?: (lines: Line[]) => void
}
export type Wanted = { price: Price; quantity?: number }

/** A subscription with what its scenario goes on with. */
export interface Started {
  subscription: Subscription
  invoice: Invoice
  payment: Payment | null
  charge: Charge | null
}

/** Whatever is wanted, as a subscription that has not started yet. */
export function newSubscription(world: World, customer: Customer, wanted: Wanted[], terms: Terms): Subscription {
  const id = newId(world, 'sub')
  const { offer = null, trialDays } = terms
  const trialEnd = trialDays === undefined ? null : world.now + trialDays * DAY
  const freeUntil = trialEnd ?? offer?.end ?? null
  const { recurring } = wanted[0]!.price
  return {
    kind: 'subscription',
    id,
    created: world.now,
    customer: customer.id,
    status: freeUntil === null ? 'active' : 'trialing',
    items: wanted.map((one) => ({ ...newItem(world, id, one), trialOffer: offer })),
    startDate: world.now,
    configuredAt: world.now,
    anchor: freeUntil ?? world.now,
    periodStart: world.now,
    periodEnd: freeUntil ?? boundaryAfter(world.now, recurring!, world.now),
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
    flexible: world.behaves.flexible,
    metadata: terms.metadata ?? {},
    testClock: customer.testClock,
  }
}

const newItem = (world: World, subscription: string, { price, quantity }: Wanted): Item => ({
  kind: 'subscription_item',
  id: newId(world, 'si'),
  created: world.now,
  subscription,
  price,
  quantity: price.recurring!.usage === 'metered' ? null : (quantity ?? 1),
  trialOffer: null,
  billedUntil: null,
})

/** The first invoice's lines: the trial or the first period, and what is bought with it. */
export function firstLines(world: World, subscription: Subscription, terms: Terms): Line[] {
  const period = { start: subscription.periodStart, end: subscription.periodEnd }
  const lines = [
    ...subscription.items.flatMap((item) =>
      subscription.status === 'trialing'
        ? [trialLine(world, subscription, item)]
        : periodLines(world, subscription, item, period),
    ),
    ...(terms.alongside ?? []).map((price) => oneOffLine(world, price, 1, subscription.id)),
  ]
  terms.adjust?.(lines)
  return lines
}

/** A customer subscribes through the API and pays the first invoice with the card at hand; invoices that are sent stay open. */
export function subscribe(world: World, customer: Customer, wanted: Wanted[], terms: Terms = {}): Started {
  const subscription = newSubscription(world, customer, wanted, terms)
  customer.subscriptions.push(subscription)
  const lines = firstLines(world, subscription, terms)
  const draft = { billingReason: 'subscription_create', lines, subscription } as const
  if (total({ lines }) === 0)
    return byRequest(world, () => {
      const invoice = newInvoice(world, customer, draft)
      subscription.latestInvoice = invoice.id
      tell(world, 'customer.subscription.created', subscription)
      settleAtOnce(world, customer, invoice)
      return { subscription, invoice, payment: null, charge: null }
    })
  const invoice = byRequest(world, () => {
    const first = newInvoice(world, customer, draft)
    subscription.latestInvoice = first.id
    tell(world, 'customer.subscription.created', subscription)
    settleCurrency(world, customer, first.currency)
    tell(world, 'invoice.created', first)
    return first
  })
  if (subscription.collection === 'send_invoice') {
    wait(world, HOUR)
    const payment = finalize(world, customer, invoice, subscription.daysUntilDue)
    return { subscription, invoice, payment, charge: null }
  }
  const payment = byRequest(world, () => finalize(world, customer, invoice))
  wait(world, 1)
  return { subscription, invoice, payment, charge: pay(world, customer, invoice, payment) }
}

/** The first payment needs the customer once more (another card, a confirmation): the subscription is `incomplete`. */
export function subscribeIncomplete(world: World, customer: Customer, wanted: Wanted[], terms: Terms = {}) {
  const subscription = newSubscription(world, customer, wanted, terms)
  subscription.status = 'incomplete'
  customer.subscriptions.push(subscription)
  return byRequest(world, () => {
    const lines = firstLines(world, subscription, terms)
    const draft = { billingReason: 'subscription_create', lines, subscription, autoAdvance: false } as const
    const invoice = newInvoice(world, customer, draft)
    subscription.latestInvoice = invoice.id
    tell(world, 'customer.subscription.created', subscription)
    settleCurrency(world, customer, invoice.currency)
    tell(world, 'invoice.created', invoice)
    return { subscription, invoice, payment: finalize(world, customer, invoice) }
  })
}

/** The card is declined at the first try. */
export function declineFirst(
  world: World,
  customer: Customer,
  { invoice, payment }: { invoice: Invoice; payment: Payment },
) {
  byRequest(world, () => fail(world, customer, invoice, payment, null))
}

/** The first payment succeeds after all. */
export function complete(
  world: World,
  customer: Customer,
  { subscription, invoice, payment }: { subscription: Subscription; invoice: Invoice; payment: Payment },
): Charge {
  const charge = pay(world, customer, invoice, payment)
  const paymentMethod = customer.card?.paymentMethod ?? null
  change(world, subscription, { status: 'active', paymentMethod }, 'customer.subscription.updated')
  return charge
}

/** 23 hours without the first payment: the subscription has never begun, its invoice is void. */
export function expireIncomplete(
  world: World,
  { subscription, invoice }: { subscription: Subscription; invoice: Invoice },
): void {
  wait(world, 23 * HOUR)
  const news: Partial<Subscription> = { status: 'incomplete_expired', endedAt: world.now }
  change(world, subscription, news, 'customer.subscription.updated')
  voidInvoice(world, invoice)
}

/** The bank wants the customer to confirm the first payment. */
export function askToConfirm(world: World, { invoice, payment }: { invoice: Invoice; payment: Payment }): void {
  change(world, payment.intent, { status: 'requires_action' }, 'payment_intent.requires_action')
  change(world, invoice, { attempted: true }, 'invoice.payment_action_required')
}
