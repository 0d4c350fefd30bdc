import { DAY, HOUR } from './calendar.ts'
import { settleCurrency } from './customers.ts'
import { oneOffLine } from './lines.ts'
import type {
  BillingReason,
  CollectionMethod,
  Customer,
  Invoice,
  InvoiceItem,
  Line,
  Price,
  Subscription,
} from './objects/billing.ts'
import { present } from './present.ts'
import { amountDue, totalOf } from './totals.ts'
import { advanceClock, asOneRequest, changeObject, newId, recordEvent, type World } from './world.ts'

type InvoiceDraft = {
  billingReason: BillingReason
  lines: Line[]
  subscription?: Subscription
  period?: { start: number; end: number }
  collection?: CollectionMethod
  daysUntilDue?: number | null
  /** Whether Stripe finalises it by itself after an hour. */
  autoAdvance?: boolean
}

/** An invoice as a draft, not told yet. */
export function newInvoice(world: World, customer: Customer, draft: InvoiceDraft): Invoice {
  const { subscription, lines } = draft
  const id = newId(world, 'in')
  for (const line of lines) line.invoice = id
  const finalizesItself = draft.autoAdvance ?? true
  return {
    kind: 'invoice',
    id,
    created: world.now,
    customer: customer.id,
    customerEmail: customer.email,
    customerName: customer.name,
    subscription: subscription?.id ?? null,
    subscriptionMetadata: subscription?.metadata ?? null,
    status: 'draft',
    billingReason: draft.billingReason,
    collection: draft.collection ?? subscription?.collection ?? 'charge_automatically',
    currency: lines[0]?.currency ?? customer.currency ?? 'usd',
    lines,
    number: null,
    periodStart: draft.period?.start ?? world.now,
    periodEnd: draft.period?.end ?? world.now,
    dueDate: null,
    attempts: 0,
    attempted: false,
    autoAdvance: finalizesItself,
    nextPaymentAttempt: finalizesItself && draft.collection !== 'send_invoice' ? world.now + HOUR : null,
    finalizesAt: finalizesItself ? world.now + HOUR : null,
    finalizedAt: null,
    paidAt: null,
    voidedAt: null,
    uncollectibleAt: null,
    amountPaid: 0,
    paidOutOfBand: false,
    paymentIntent: null,
    charge: null,
    creditedBeforePayment: 0,
    creditedAfterPayment: 0,
    endingBalance: null,
    urlKey: null,
    metadata: {},
    testClock: customer.testClock,
  }
}

/** An invoice of things that are bought once, made through the API; the caller finalises it. */
export function billFor(
  world: World,
  customer: Customer,
  goods: { price: Price; quantity?: number }[],
  options: { daysUntilDue?: number } = {},
): Invoice {
  const items = goods.map(({ price, quantity }) =>
    pendingItem(world, customer, oneOffLine(world, price, quantity ?? 1)),
  )
  return asOneRequest(world, () => {
    const invoice = newInvoice(world, customer, {
      billingReason: 'manual',
      lines: items.map(({ line }) => line),
      autoAdvance: false,
      collection: options.daysUntilDue === undefined ? 'charge_automatically' : 'send_invoice',
    })
    if (options.daysUntilDue !== undefined) invoice.dueDate = world.now + options.daysUntilDue * DAY
    settleCurrency(world, customer, invoice.currency)
    for (const item of items) changeObject(world, item, { invoice: invoice.id }, 'invoiceitem.updated')
    recordEvent(world, 'invoice.created', invoice)
    return invoice
  })
}

/** An invoice item that waits for the customer's next invoice. */
export function pendingItem(world: World, customer: Customer, line: Line): InvoiceItem {
  return asOneRequest(world, () => {
    const item: InvoiceItem = {
      kind: 'invoiceitem',
      id: line.invoiceItem ?? newId(world, 'ii'),
      created: world.now,
      customer: customer.id,
      invoice: null,
      line,
      testClock: customer.testClock,
    }
    line.invoiceItem = item.id
    recordEvent(world, 'invoiceitem.created', item)
    return item
  })
}

/** What a draft becomes when it is finalised: it gets its number and its page. */
export function finalState(world: World, customer: Customer, invoice: Invoice): Partial<Invoice> {
  customer.invoicesSoFar += 1
  const urlKey = `${world.livemode ? 'live' : 'test'}_${world.random.letters(60)}`
  return {
    status: 'open',
    number: `${customer.invoicePrefix}-${String(customer.invoicesSoFar).padStart(4, '0')}`,
    finalizedAt: world.now,
    finalizesAt: null,
    endingBalance: Math.min(0, totalOf(invoice)),
    urlKey,
  }
}

/** A paid state; what is due is paid by a charge, out of band, or is nothing. */
export const paidState = (world: World, invoice: Invoice): Partial<Invoice> => ({
  status: 'paid',
  attempted: true,
  autoAdvance: false,
  nextPaymentAttempt: null,
  amountPaid: amountDue(invoice),
  paidAt: world.now,
})

/** An invoice of nothing (a trial, a credit) is made, finalised and paid in one go: each of its events shows it paid. */
export function settleAtOnce(world: World, customer: Customer, invoice: Invoice): void {
  Object.assign(invoice, finalState(world, customer, invoice))
  Object.assign(invoice, paidState(world, invoice))
  settleCurrency(world, customer, invoice.currency)
  for (const type of ['created', 'finalized', 'paid', 'payment_succeeded'])
    recordEvent(world, `invoice.${type}`, invoice)
  if (totalOf(invoice) < 0)
    changeObject(world, customer, { balance: customer.balance + totalOf(invoice) }, 'customer.updated')
}

export function deleteDraft(world: World, invoice: Invoice): void {
  asOneRequest(world, () => recordEvent(world, 'invoice.deleted', invoice))
}

export function voidInvoice(world: World, invoice: Invoice): void {
  const news: Partial<Invoice> = { status: 'void', voidedAt: world.now, autoAdvance: false, nextPaymentAttempt: null }
  asOneRequest(world, () => changeObject(world, invoice, news, 'invoice.voided', 'invoice.updated'))
}

export function markUncollectible(world: World, invoice: Invoice): void {
  const news: Partial<Invoice> = {
    status: 'uncollectible',
    uncollectibleAt: world.now,
    autoAdvance: false,
    nextPaymentAttempt: null,
  }
  asOneRequest(world, () => changeObject(world, invoice, news, 'invoice.marked_uncollectible', 'invoice.updated'))
}

/** The due date passes; Stripe tells it where an automation asks for it. */
export function passDueDate(world: World, invoice: Invoice): void {
  advanceClock(world, Math.max(0, present(invoice.dueDate) + DAY - world.now))
  recordEvent(world, 'invoice.overdue', invoice)
}

/** The preview that comes some days before a renewal: an invoice without an id. */
export function previewInvoice(world: World, customer: Customer, draft: Omit<InvoiceDraft, 'billingReason'>): void {
  const preview = newInvoice(world, customer, { ...draft, billingReason: 'upcoming' })
  recordEvent(world, 'invoice.upcoming', { ...preview, id: null, finalizesAt: null })
}
