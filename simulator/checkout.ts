import { DAY } from './calendar.ts'
import { addCard, createCustomer as newCustomer } from './customers.ts'
import { finalState, newInvoice, paidState } from './invoices.ts'
import { amountOf, oneOffLine } from './lines.ts'
import type { Customer, Price, Session } from './objects/billing.ts'
import type { Charge, PaymentIntent } from './objects/payment.ts'
import { chargeCard, finalizeInvoice, newIntent, payInvoice } from './payments.ts'
import { present } from './present.ts'
import { releaseHeld } from './refunds.ts'
import {
  completeFirstPayment,
  firstLines,
  newSubscription,
  type StartedSubscription,
  subscribeIncomplete,
  type WantedItem,
} from './subscriptions.ts'
import { advanceClock, asOneRequest, changeObject, newId, recordEvent, type World } from './world.ts'

type Basket = { price: Price; quantity?: number }[]

/** A Checkout page is opened for a basket; opening tells no event. */
export function openSession(
  world: World,
  mode: Session['mode'],
  basket: Basket,
  options: { invoiceCreation?: boolean; terms?: boolean; metadata?: Record<string, string> } = {},
): Session {
  return {
    kind: 'checkout.session',
    id: newId(world, 'cs'),
    created: world.now,
    mode,
    amount: basket.reduce((sum, { price, quantity }) => sum + amountOf(price, quantity ?? 1), 0),
    currency: present(basket[0]).price.currency,
    clientReferenceId: world.clientUserId,
    customer: null,
    email: null,
    name: null,
    invoice: null,
    invoiceCreation: options.invoiceCreation ?? false,
    terms: options.terms ?? false,
    paymentIntent: null,
    subscription: null,
    paymentStatus: 'unpaid',
    status: 'open',
    expiresAt: world.now + DAY,
    metadata: { ...world.metadata, ...options.metadata },
  }
}

const VISITOR_DETAILS = { email: 'grace@example.com', name: 'Grace Example' }
/** Whom the page makes a customer of. */
const VISITOR = { ...VISITOR_DETAILS, madeBy: 'checkout' } as const

/** The visitor stays without a customer since 2022-08-01; before, each became one. */
function beginPayment(world: World, session: Session) {
  const customer = world.defaults.checkoutMakesCustomers ? newCustomer(world, VISITOR) : null
  const intent = newIntent(world, { ...session, customer, invoice: null, description: null })
  recordEvent(world, 'payment_intent.created', intent)
  return { customer, intent }
}
const linksOf = (customer: Customer | null, intent: PaymentIntent): Partial<Session> => ({
  customer: customer?.id ?? null,
  paymentIntent: intent.id,
})

/** The visitor pays by card, with nothing but the page between them. */
export function payByCard(world: World, session: Session): Charge {
  advanceClock(world, 60)
  const { customer, intent } = beginPayment(world, session)
  const made = chargeCard(world, customer, intent, 'succeeded')
  advanceClock(world, 1)
  completeSession(world, session, { ...linksOf(customer, intent), paymentStatus: 'paid' })
  return made
}

/** Nothing to pay: a coupon or a free product. */
export function takeForFree(world: World, session: Session): void {
  advanceClock(world, 60)
  completeSession(world, session, { paymentStatus: 'no_payment_required' })
}

/** The visitor leaves a bank debit or voucher behind: the money arrives (or not) days later. */
export function payByBank(world: World, session: Session): { settlePayment(): Charge; bouncePayment(): void } {
  advanceClock(world, 60)
  const { customer, intent } = beginPayment(world, session)
  const pending = chargeCard(world, customer, intent, 'pending')
  completeSession(world, session, linksOf(customer, intent))
  return {
    settlePayment() {
      advanceClock(world, 4 * DAY)
      changeObject(world, pending, { status: 'succeeded', balanceTransaction: newId(world, 'txn') }, 'charge.succeeded')
      changeObject(world, intent, { status: 'succeeded' }, 'payment_intent.succeeded')
      changeObject(world, session, { paymentStatus: 'paid' }, 'checkout.session.async_payment_succeeded')
      return pending
    },
    bouncePayment() {
      advanceClock(world, 4 * DAY)
      changeObject(world, pending, { status: 'failed', failure: 'insufficient_funds' }, 'charge.failed')
      const failed = { status: 'requires_payment_method', failure: 'insufficient_funds' } as const
      changeObject(world, intent, failed, 'payment_intent.payment_failed')
      recordEvent(world, 'checkout.session.async_payment_failed', session)
    },
  }
}

/** The visitor's card is authorised, and the money is taken (in whole or part) or let go later. */
export function authorizeByCard(
  world: World,
  session: Session,
): { capturePayment(amount: number): Charge; cancelPayment(): void } {
  advanceClock(world, 60)
  const { customer, intent } = beginPayment(world, session)
  intent.captureMethod = 'manual'
  const held = chargeCard(world, customer, intent, 'authorized')
  advanceClock(world, 1)
  completeSession(world, session, linksOf(customer, intent))
  return {
    capturePayment(amount) {
      asOneRequest(world, () => {
        // What is not taken is counted as refunded.
        const news = { amountCaptured: amount, balanceTransaction: newId(world, 'txn') }
        if (amount < held.amount) releaseHeld(world, held, held.amount - amount)
        changeObject(world, held, news, 'charge.captured')
        changeObject(world, intent, { status: 'succeeded', charges: [held] }, 'payment_intent.succeeded')
      })
      return held
    },
    cancelPayment() {
      asOneRequest(world, () => {
        releaseHeld(world, held, held.amount, 'charge.refunded')
        changeObject(world, intent, { status: 'canceled', charges: [held] }, 'payment_intent.canceled')
      })
    },
  }
}

/** With `invoice_creation` the payment leaves a paid invoice behind, and its customer. */
export function payWithInvoice(world: World, session: Session, basket: Basket): Charge {
  advanceClock(world, 60)
  const customer = newCustomer(world, VISITOR)
  const lines = basket.map(({ price, quantity }) => oneOffLine(world, price, quantity ?? 1))
  const invoice = newInvoice(world, customer, { billingReason: 'manual', lines, autoAdvance: false })
  const intent = newIntent(world, { ...session, customer, invoice: invoice.id, description: null })
  recordEvent(world, 'payment_intent.created', intent)
  const made = chargeCard(world, customer, intent, 'succeeded')
  Object.assign(invoice, finalState(world, customer, invoice))
  Object.assign(invoice, paidState(world, invoice), { paymentIntent: intent.id, charge: made.id })
  for (const type of ['created', 'finalized', 'paid', 'payment_succeeded'])
    recordEvent(world, `invoice.${type}`, invoice)
  recordEvent(world, 'invoice_payment.paid', {
    kind: 'invoice_payment',
    id: newId(world, 'inpay'),
    created: world.now,
    invoice: present(invoice.id),
    amount: session.amount,
    currency: session.currency,
    paymentIntent: intent.id,
    paidAt: world.now,
  })
  const links = { customer: customer.id, invoice: invoice.id, paymentIntent: intent.id }
  completeSession(world, session, { ...links, paymentStatus: 'paid' })
  return made
}

/** The visitor subscribes. Since basil the subscription comes into being after its payment, before as `incomplete`. */
export function subscribeByCheckout(
  world: World,
  session: Session,
  wanted: WantedItem[],
): Omit<StartedSubscription, 'payment'> & { customer: Customer } {
  advanceClock(world, 60)
  const customer = newCustomer(world, { ...VISITOR, card: false })
  addCard(world, customer)
  const terms = { metadata: session.metadata }
  const started = world.defaults.subscribesAfterPayment
    ? payThenSubscribe(world, customer, wanted, terms)
    : payIncomplete(world, customer, wanted, terms)
  completeSession(world, session, {
    customer: customer.id,
    invoice: started.invoice.id,
    subscription: started.subscription.id,
    paymentStatus: 'paid',
  })
  return { ...started, customer }
}

function payIncomplete(
  world: World,
  customer: Customer,
  wanted: WantedItem[],
  terms: { metadata: Record<string, string> },
) {
  const started = subscribeIncomplete(world, customer, wanted, terms)
  advanceClock(world, 1)
  return { ...started, charge: completeFirstPayment(world, customer, started) }
}

function payThenSubscribe(
  world: World,
  customer: Customer,
  wanted: WantedItem[],
  terms: { metadata: Record<string, string> },
) {
  const subscription = newSubscription(world, customer, wanted, terms)
  const invoice = asOneRequest(world, () => {
    const lines = firstLines(world, subscription, terms)
    const first = newInvoice(world, customer, { billingReason: 'subscription_create', lines, subscription })
    recordEvent(world, 'invoice.created', first)
    return first
  })
  const payment = finalizeInvoice(world, customer, invoice)
  advanceClock(world, 1)
  const made = payInvoice(world, customer, invoice, payment)
  Object.assign(subscription, { latestInvoice: invoice.id, paymentMethod: customer.card?.paymentMethod ?? null })
  customer.subscriptions.push(subscription)
  recordEvent(world, 'customer.subscription.created', subscription)
  return { subscription, invoice, charge: made }
}

/** Nobody paid within a day. */
export function expireSession(world: World, session: Session): void {
  advanceClock(world, Math.max(0, session.expiresAt - world.now))
  changeObject(world, session, { status: 'expired' }, 'checkout.session.expired')
}

const completeSession = (world: World, session: Session, news: Partial<Session>): void =>
  changeObject(world, session, { ...VISITOR_DETAILS, ...news, status: 'complete' }, 'checkout.session.completed')
