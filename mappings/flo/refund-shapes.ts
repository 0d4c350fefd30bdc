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
  userOf,
} from '../../src/language/words.ts'
import { customerEmail, customerMetadata, invoiceCheckout, linkedId } from '../accessors/facts.ts'
import { invoice, invoiceCustomer, invoiceSubscription, type Line } from '../accessors/invoice.ts'
import { envelope } from './envelope.ts'
import { invoiceDetails } from './invoice-details.ts'
import { type Bought, boughtShape, boughtThing, invoiceLines, relatedSubscription, sessionItems } from './item.ts'

// A refund arrives on up to three paths: refund.*, charge.refunded, credit notes. The tally of the payment makes one
// fact of them; a credit note says only which lines were meant.

export const charges = reading<Stripe.Charge>()
export const sessions = reading<Stripe.Checkout.Session>()
const bought = element<Bought>()

/** Which lines a refund gives back: the credit note's, else the only one, else the first for the whole. */
export const refundedLines = (refundId: Expr<string | null>, payment: Payment, amount: Expr<number | string | null>) =>
  computed(
    'refunded lines',
    // biome-ignore lint/complexity/useMaxParams: `computed` hands over one value for each expression below.
    (note, invoice, checkout, items, minor, chargeId): Bought[] => {
      const lines = invoiceLines(invoice as Stripe.Invoice | null, checkout)
      const named = ((note as Stripe.CreditNote | null)?.lines?.data ?? []).flatMap((credited) => {
        const found = lines.find(({ line }) => line?.id === credited.invoice_line_item)
        return found ? [{ ...found, refunded: credited.amount }] : []
      })
      if (named.length > 0) return named
      const all = lines.length > 0 ? lines : ((items as Bought[] | null) ?? [])
      const refunded = Number(minor)
      const [first] = all
      if (!first) return [{ ...boughtThing(String(chargeId), null), refunded, attribution: 'charge' }]
      return [{ ...first, refunded, attribution: all.length > 1 ? 'invoice' : null }]
    },
    kept('credit_note', linkedId(refundId, 'credit_note'))(self<Stripe.CreditNote>()),
    payment.invoice(self<Stripe.Invoice>()),
    payment.invoice(invoiceCheckout),
    payment.items,
    amount,
    firstOf(payment.charge, payment.intent),
  )

/** A payment and what is known of what it was for. */
interface Payment {
  charge: Expr<string | null>
  intent: Expr<string | null>
  invoiceId: Expr<string | null>
  invoice: ReturnType<typeof kept>
  session: ReturnType<typeof kept>
  items: Expr<Bought[] | null>
  known: When
  customer: Expr<string | null>
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
  const invoiceId = called('the invoice that it paid', firstOf(end('invoice'), linkedId(refundId, 'invoice')))
  const sessionId = called('the Checkout session that it paid', end('session'))
  const storedInvoice = kept('invoice', invoiceId)
  const session = kept('checkout.session', sessionId)
  return {
    charge,
    intent,
    invoiceId,
    invoice: storedInvoice,
    session,
    items: session(sessionItems(self<Stripe.Checkout.Session>(), sessions.from('id'))),
    known: called('known by what it paid', any(storedInvoice.known, session.known)),
    customer: called(
      'the payer',
      firstOf(
        customer,
        kept('charge', charge)(idOf(charges.from('customer'))),
        storedInvoice(invoiceCustomer),
        session(firstOf(idOf(sessions.from('customer')), sessions.from('id'))),
        charge,
        intent,
      ),
    ),
  }
}

/** Lines for nothing are not given back. */
export const hasSeveralPricedLines = (payment: Payment) =>
  called(
    'of several lines that cost something',
    more(
      computed(
        'lines that cost something',
        (lines) => ((lines as Line[] | null) ?? []).filter(({ amount }) => amount !== 0).length,
        payment.invoice(invoice.from('lines.data')),
      ),
      always(1),
    ),
  )

/** Of several lines only a credit note says which are refunded, and Stripe sends it after the refund. */
export const waitForNote = (refundId: Expr<string | null>, payment: Payment) => ({
  fact: 'purchase',
  key: called('a credit note about it', refundId),
  unless: any(is(refundId, unset), not(hasSeveralPricedLines(payment)), is(linkedId(refundId, 'credit_note'), set)),
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

/** Who paid, and so gets the money back; `clientUserId` is what the refund itself says. */
export const payerOf = (payment: Payment, clientUserId: Expr<string | null>) =>
  userOf(payment.customer, {
    clientUserId: [
      clientUserId,
      payment.invoice(invoice.from('metadata.client_user_id')),
      payment.session(firstOf(sessions.from('metadata.client_user_id'), sessions.from('client_reference_id'))),
      customerMetadata(payment.customer),
    ],
    email: [
      customerEmail(payment.customer),
      payment.invoice(invoice.from('customer_email')),
      payment.session(firstOf(sessions.from('customer_email'), sessions.from('customer_details.email'))),
    ],
  })

/** The item of a refund; `refund` says how much of the payment was refunded in all, and of how much. */
export const refundBody = (
  payment: Payment,
  refund: {
    currency: Expr<string | null>
    at: Expr<number | null>
    inAll: Expr<number | null>
    of: Expr<number | null>
  },
  user: ReturnType<typeof payerOf>,
) => {
  const line = member<Line>('line')
  const currency = firstOf(line.from('currency'), refund.currency)
  const byNote = called(
    'named by a credit note',
    all(
      is(bought.from('attribution'), unset),
      is(payment.invoice(invoice.from('lines.data.1')) as Expr<object | null>, set),
    ),
  )
  const refunded = given(byNote, bought.from('refunded'), refund.inAll)
  const whole = given(byNote, line.from('amount'), refund.of)
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
        refunded,
        whole,
      ),
      quantity: boughtShape.quantity,
      currency: upperCase(currency),
      amount: boughtShape.amount,
      total: boughtShape.total,
      refundedAmount: major(refunded, currency),
      purchasedAt: isoTime(
        firstOf(
          payment.invoice(invoice.from('status_transitions.paid_at')),
          payment.session(sessions.from('created')),
          kept('charge', payment.charge)(charges.from('created')),
        ),
      ),
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
