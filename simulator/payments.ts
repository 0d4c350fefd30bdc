import { HOUR } from './calendar.ts'
import { finalState, paidState } from './invoices.ts'
import type { Customer, Invoice, Metadata } from './objects/billing.ts'
import type { Charge, InvoicePayment, PaymentIntent } from './objects/payment.ts'
import { present } from './present.ts'
import { amountDue } from './totals.ts'
import { advanceClock, asOneRequest, changeObject, newId, recordEvent, type World } from './world.ts'

/** What is under way to pay an invoice. */
export interface Payment {
  intent: PaymentIntent
  link: InvoicePayment
}

export function newIntent(
  world: World,
  of: {
    customer: Customer | null
    amount: number
    currency: string
    invoice: string | null
    description: string | null
  },
): PaymentIntent {
  const id = newId(world, 'pi')
  return {
    kind: 'payment_intent',
    id,
    created: world.now,
    customer: of.customer?.id ?? null,
    amount: of.amount,
    currency: of.currency,
    invoice: of.invoice,
    description: of.description,
    status: 'requires_payment_method',
    captureMethod: 'automatic',
    paymentMethod: null,
    failure: null,
    charges: [],
    secret: `${id}_secret_${world.random.letters(25)}`,
    metadata: {},
  }
}

/** A payment that neither an invoice nor a Checkout page collects. */
export function payBare(world: World, customer: Customer, amount: number, metadata: Metadata): Charge {
  return asOneRequest(world, () => {
    const of = { customer, amount, currency: 'usd', invoice: null, description: 'Order 1815' }
    const intent: PaymentIntent = { ...newIntent(world, of), metadata }
    recordEvent(world, 'payment_intent.created', intent)
    return chargeCard(world, customer, intent, 'succeeded')
  })
}

/** A draft becomes open: from here on it can be paid. Send-invoice ones get their due date and are mailed. */
export function finalizeInvoice(
  world: World,
  customer: Customer,
  invoice: Invoice,
  daysUntilDue: number | null = null,
): Payment {
  const intent = newIntent(world, {
    customer,
    amount: amountDue(invoice),
    currency: invoice.currency,
    invoice: invoice.id,
    description: invoice.billingReason === 'subscription_create' ? 'Subscription creation' : 'Payment for Invoice',
  })
  const news = finalState(world, customer, invoice)
  const dueDate = daysUntilDue === null ? invoice.dueDate : world.now + daysUntilDue * 24 * HOUR
  changeObject(world, invoice, { ...news, paymentIntent: intent.id, dueDate }, 'invoice.finalized', 'invoice.updated')
  recordEvent(world, 'payment_intent.created', intent)
  if (invoice.collection === 'send_invoice') recordEvent(world, 'invoice.sent', invoice)
  const link: InvoicePayment = {
    kind: 'invoice_payment',
    id: newId(world, 'inpay'),
    created: world.now,
    invoice: present(invoice.id),
    amount: amountDue(invoice),
    currency: invoice.currency,
    paymentIntent: intent.id,
    paidAt: null,
  }
  return { intent, link }
}

/** The card pays; the invoice is paid a second later. */
export function payInvoice(world: World, customer: Customer, invoice: Invoice, { intent, link }: Payment): Charge {
  // A credit note may have lowered what was due when the payment was prepared.
  intent.amount = link.amount = amountDue(invoice)
  return payInvoicePart(world, customer, invoice, { intent, link })
}

/** The invoice is paid by two payments: some of it, and a minute later the rest. */
export function payInTwo(
  world: World,
  customer: Customer,
  invoice: Invoice,
  { payment, first }: { payment: Payment; first: number },
): [Charge, Charge] {
  const rest = amountDue(invoice) - first
  payment.intent.amount = payment.link.amount = first
  const one = chargeCard(world, customer, payment.intent, 'succeeded')
  advanceClock(world, 1)
  const paidInPart = { amountPaid: first, paymentIntent: null, attempts: 1, attempted: true }
  changeObject(world, invoice, paidInPart, 'invoice.updated')
  changeObject(world, payment.link, { paidAt: world.now }, 'invoice_payment.paid')
  advanceClock(world, 60)
  const of = { customer, amount: rest, currency: invoice.currency, invoice: invoice.id, description: null }
  const intent = newIntent(world, of)
  recordEvent(world, 'payment_intent.created', intent)
  const link = { ...payment.link, id: newId(world, 'inpay'), amount: rest, paymentIntent: intent.id, paidAt: null }
  return [one, payInvoicePart(world, customer, invoice, { intent, link })]
}

function payInvoicePart(world: World, customer: Customer, invoice: Invoice, { intent, link }: Payment): Charge {
  const made = chargeCard(world, customer, intent, 'succeeded')
  advanceClock(world, 1)
  const news = { ...paidState(world, invoice), charge: made.id, attempts: invoice.attempts + 1 }
  changeObject(world, invoice, news, 'invoice.updated', 'invoice.paid', 'invoice.payment_succeeded')
  changeObject(world, link, { paidAt: world.now }, 'invoice_payment.paid')
  return made
}

/** The card is declined; `retryIn` seconds until Stripe tries again, null when it gives up. */
export function failPayment(
  world: World,
  customer: Customer,
  { invoice, payment }: { invoice: Invoice; payment: Payment },
  retryIn: number | null,
): void {
  const { intent } = payment
  const declined = chargeCard(world, customer, intent, 'failed')
  const news: Partial<Invoice> = {
    attempted: true,
    attempts: invoice.attempts + 1,
    charge: declined.id,
    nextPaymentAttempt: retryIn === null ? null : world.now + retryIn,
    autoAdvance: retryIn !== null,
  }
  changeObject(world, invoice, news, 'invoice.updated', 'invoice.payment_failed')
}

/** Paid by other means than Stripe: no charge, no payment intent. */
export function payOutOfBand(world: World, invoice: Invoice): void {
  const news = { ...paidState(world, invoice), paidOutOfBand: true }
  asOneRequest(world, () => changeObject(world, invoice, news, 'invoice.updated', 'invoice.paid'))
}

/** One attempt to charge the customer's card for a payment intent. */
export function chargeCard(
  world: World,
  customer: Customer | null,
  intent: PaymentIntent,
  outcome: Charge['status'] | 'authorized',
): Charge {
  const status = outcome === 'authorized' ? 'succeeded' : outcome
  const card = customer?.card ?? {
    paymentMethod: newId(world, 'pm'),
    id: newId(world, 'card'),
    fingerprint: world.random.letters(16),
  }
  const made: Charge = {
    kind: 'charge',
    id: newId(world, 'ch'),
    created: world.now,
    customer: intent.customer,
    amount: intent.amount,
    amountCaptured: outcome === 'authorized' ? 0 : null,
    amountRefunded: 0,
    currency: intent.currency,
    invoice: intent.invoice,
    paymentIntent: intent.id,
    card,
    byBank: status === 'pending',
    description: intent.description,
    status,
    balanceTransaction: outcome === 'succeeded' ? newId(world, 'txn') : null,
    failure: status === 'failed' ? 'card_declined' : null,
    refunds: [],
    metadata: intent.metadata,
  }
  const charges = [made, ...intent.charges]
  const paymentMethod = card.paymentMethod
  recordEvent(world, `charge.${status}`, made)
  if (outcome === 'authorized')
    changeObject(
      world,
      intent,
      { status: 'requires_capture', charges, paymentMethod },
      'payment_intent.amount_capturable_updated',
    )
  if (outcome === 'succeeded')
    changeObject(world, intent, { status: outcome, charges, paymentMethod, failure: null }, 'payment_intent.succeeded')
  if (status === 'pending')
    changeObject(world, intent, { status: 'processing', charges, paymentMethod }, 'payment_intent.processing')
  if (status === 'failed')
    changeObject(
      world,
      intent,
      { status: 'requires_payment_method', charges, paymentMethod: null, failure: 'card_declined' },
      'payment_intent.payment_failed',
    )
  return made
}
