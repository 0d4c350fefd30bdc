import type Stripe from 'stripe'
import { idOf, isoTime, major, metadataOf, upperCase } from '../../src/language/converters.ts'
import { type Expr, set, unset, type When } from '../../src/language/mapping.ts'
import {
  all,
  always,
  any,
  called,
  computed,
  element,
  firstOf,
  given,
  is,
  kept,
  member,
  more,
  not,
  reading,
  self,
  tallied,
  userOf,
} from '../../src/language/words.ts'
import {
  checkoutBehind,
  creditsOf,
  customerEmail,
  customerMetadata,
  invoiceCheckout,
  linkedId,
  linkedMoment,
  registeredUser,
} from '../accessors/facts.ts'
import { invoice, invoiceCustomer, invoicePaid, invoiceSubscription, type Line, lineKey } from '../accessors/invoice.ts'
import { envelope } from './envelope.ts'
import { invoiceDetails } from './invoice-details.ts'
import { type Bought, boughtShape, invoiceLines, paidItems, relatedSubscription, sessionItems } from './item.ts'
import { isNamedInFull, linesRefunded } from './refunded-lines.ts'

// Money given back is told on up to three paths: refund.*, charge.refunded, credit notes. The tally of the payment makes one
// fact of them; a credit note says only which lines were meant.

export const charges = reading<Stripe.Charge>()
export const intents = reading<Stripe.PaymentIntent>()
export const sessions = reading<Stripe.Checkout.Session>()
const bought = element<Bought>()
const line = member<Line>('line')

/** Which lines a refund gives back, and how much of each. */
export const refundedLines = (
  payment: Payment,
  refund: {
    id: Expr<string | null>
    amount: Expr<number | string | null>
    at: Expr<number | null>
    captured: Expr<number | null>
  },
) =>
  computed(
    'refunded lines',
    // biome-ignore lint/complexity/useMaxParams: `computed` hands over one value for each expression below.
    (credits, invoice, checkout, items, refundId, at, minor, captured, paymentId): Bought[] => {
      const lines = invoiceLines(invoice as Stripe.Invoice | null, checkout)
      const bought = lines.length > 0 ? lines : ((items as Bought[] | null) ?? [])
      const amount = Number(minor)
      return linesRefunded({ credits, invoice, bought, refundId, at: at ?? 0, amount, captured, paymentId })
    },
    creditsOf(payment.invoiceId),
    payment.invoice(self<Stripe.Invoice>()),
    payment.invoice(invoiceCheckout),
    payment.items,
    refund.id,
    refund.at,
    refund.amount,
    refund.captured,
    firstOf(payment.charge, payment.intent),
  )

/** What a refund is counted by, beside its id and amount. */
export const countedBy = (payment: Payment) => ({
  purchase: payment.owner,
  line: lineKey(line),
  lineAmount: bought.from('refunded'),
})

/** A payment and what is known of what it was for. */
export interface Payment {
  charge: Expr<string | null>
  intent: Expr<string | null>
  invoiceId: Expr<string | null>
  invoice: ReturnType<typeof kept>
  sessionId: Expr<string | null>
  session: ReturnType<typeof kept>
  /** The payment itself, where its metadata says what was bought with it. */
  bare: ReturnType<typeof kept>
  isBare: When
  items: Expr<Bought[] | null>
  /** The invoice, session or payment that something was bought with. */
  owner: Expr<string | null>
  known: When
  /** It is known, and so is that it was bought. */
  settled: When
  customer: Expr<string | null>
  /** Minor units that Stripe has received through the payment intent. */
  received: Expr<number | null>
}

export const paymentOf = (
  charge: Expr<string | null>,
  intent: Expr<string | null>,
  refundId: Expr<string | null>,
  customer: Expr<string | null>,
): Payment => {
  const viaCharge = linkedId(charge, 'payment_intent')
  const end = (name: 'invoice' | 'session') =>
    firstOf(linkedId(intent, name), linkedId(charge, name), linkedId(viaCharge, name))
  const sessionId = called('the Checkout session that it paid', end('session'))
  const session = kept('checkout.session', sessionId)
  const invoiceId = called(
    'the invoice that it paid',
    firstOf(end('invoice'), linkedId(refundId, 'invoice'), session(idOf(sessions.from('invoice')))),
  )
  const storedInvoice = kept('invoice', invoiceId)
  const intentId = called('the payment', firstOf(intent, viaCharge))
  const bare = kept('payment_intent', intentId)
  const isBare = called(
    'a purchase by itself',
    all(
      is(bare(intents.from('metadata.flo_product')), set),
      not(storedInvoice.known),
      not(session.known),
      is(invoiceId, unset),
    ),
  )
  const bought = (only: When) => given(only, intentId)
  const received = bare(intents.from('amount_received'))
  const isPaid = any(
    is(session(sessions.from('payment_status')), 'paid', 'no_payment_required'),
    is(linkedMoment(sessionId, 'purchased'), set),
    is(linkedMoment(intentId, 'captured'), set),
  )
  return {
    charge,
    intent: intentId,
    invoiceId,
    invoice: storedInvoice,
    sessionId,
    session,
    bare,
    isBare,
    items: firstOf(
      session(sessionItems(self<Stripe.Checkout.Session>(), sessions.from('id'))),
      given(isBare, bare(paidItems(self<Stripe.PaymentIntent>()))),
    ),
    owner: called('what was bought with it', firstOf(invoiceId, sessionId, bought(isBare))),
    known: called('known by what it paid', any(storedInvoice.known, session.known, isBare)),
    settled: called(
      'known by what was bought',
      any(
        is(storedInvoice(given(invoicePaid, always(true))), true),
        // What a session bought through its invoice is told by the invoice.
        all(session.known, isPaid, is(invoiceId, unset)),
        all(isBare, is(bare(intents.from('status')), 'succeeded')),
      ),
    ),
    customer: called(
      'the payer',
      firstOf(
        customer,
        kept('charge', charge)(idOf(charges.from('customer'))),
        storedInvoice(invoiceCustomer),
        session(firstOf(idOf(sessions.from('customer')), sessions.from('customer_account'), sessions.from('id'))),
        given(
          isBare,
          bare(firstOf(idOf(intents.from('customer')), intents.from('customer_account'), intents.from('id'))),
        ),
        charge,
        intentId,
      ),
    ),
    received,
  }
}

/** Lines for nothing are not given back, and credits neither. */
export const hasSeveralPricedLines = (payment: Payment) =>
  called(
    'of several lines that cost something',
    more(
      computed(
        'lines that cost something',
        (lines) => ((lines as Line[] | null) ?? []).filter(({ amount }) => amount > 0).length,
        payment.invoice(invoice.from('lines.data')),
      ),
      always(1),
    ),
  )

/** Of several lines only credit notes say which are given back, and Stripe tells them after the refund, maybe several. */
export const waitForNote = (refundId: Expr<string | null>, amount: Expr<number | string | null>, payment: Payment) => ({
  fact: 'purchase',
  key: called('the credit notes about it', refundId),
  unless: any(
    is(refundId, unset),
    not(hasSeveralPricedLines(payment)),
    is(computed('named in full', isNamedInFull, creditsOf(payment.invoiceId), refundId, amount), true),
  ),
})

/** On a shape that has the field: a charge that no invoice made. */
export const withoutInvoice = (charge: Expr<Stripe.Charge | null>) =>
  is(
    computed(
      'charge without invoice',
      (one) => (one !== null && 'invoice' in one && one.invoice === null ? true : null),
      charge,
    ),
    true,
  )

/** Who paid, and so gets the money back; `told` is what the refund itself says. */
export const payerOf = (payment: Payment, clientUserId: Expr<string | null>) =>
  userOf(payment.customer, {
    clientUserId: [
      registeredUser(checkoutBehind(payment.sessionId)),
      clientUserId,
      payment.invoice(invoice.from('metadata.client_user_id')),
      payment.session(firstOf(sessions.from('metadata.client_user_id'), sessions.from('client_reference_id'))),
      given(payment.isBare, payment.bare(intents.from('metadata.client_user_id'))),
      customerMetadata(payment.customer),
    ],
    email: [
      customerEmail(payment.customer),
      payment.invoice(invoice.from('customer_email')),
      payment.session(firstOf(sessions.from('customer_email'), sessions.from('customer_details.email'))),
      given(payment.isBare, payment.bare(intents.from('receipt_email'))),
    ],
  })

/** When it was bought: the moment that `item.purchased` has told. */
const purchasedAt = (payment: Payment) =>
  firstOf(
    payment.invoice(invoice.from('status_transitions.paid_at')),
    linkedMoment(payment.invoiceId, 'purchased'),
    given(
      payment.session.known,
      firstOf(
        linkedMoment(payment.sessionId, 'purchased'),
        linkedMoment(payment.intent, 'captured'),
        payment.session(sessions.from('created')),
      ),
    ),
    given(payment.isBare, linkedMoment(payment.intent, 'purchased')),
    kept('charge', payment.charge)(charges.from('created')),
  )

/** The item of a refund. */
export const refundBody = (
  payment: Payment,
  refund: { currency: Expr<string | null>; at: Expr<number | null> },
  user: ReturnType<typeof payerOf>,
) => {
  const currency = firstOf(line.from('currency'), refund.currency)
  const refunded = tallied(lineKey(line))
  return {
    ...envelope('item'),
    user,
    item: {
      uuid: boughtShape.uuid,
      id: boughtShape.id,
      name: boughtShape.name,
      description: boughtShape.description,
      state: computed(
        'part or whole',
        (part, of) =>
          part === null || of === null ? null : part >= of ? ('refunded' as const) : ('partially_refunded' as const),
        given(is(bought.from('attribution'), 'invoice'), tallied(), refunded),
        bought.from('paid'),
      ),
      quantity: boughtShape.quantity,
      currency: upperCase(currency),
      amount: boughtShape.amount,
      total: boughtShape.total,
      refundedAmount: major(refunded, currency),
      purchasedAt: isoTime(purchasedAt(payment)),
      refundedAt: isoTime(refund.at),
      metadata: metadataOf(
        computed(
          'metadata',
          (metadata, attribution) => ({ ...metadata, ...(attribution ? { attribution } : {}) }),
          line.from('metadata'),
          bought.from('attribution'),
        ),
      ),
      invoiceDetails: given(payment.invoice.known, payment.invoice(invoiceDetails)),
    },
    subscription: relatedSubscription(payment.invoice(invoiceSubscription)),
  }
}
