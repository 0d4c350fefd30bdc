import type Stripe from 'stripe'
import { idOf, idsOf } from '../src/language/converters.ts'
import { type Expr, type Node, type ObjectKind, set, unset } from '../src/language/mapping.ts'
import { wordTable } from '../src/language/word-table.ts'
import { always, computed, event, firstOf, given, is, reading, self } from '../src/language/words.ts'
import { creditsNamed } from './accessors/credits.ts'
import { checkoutBehind, type Link, REFUND_EVENTS, registeredUser } from './accessors/facts.ts'
import { BASIL } from './versions.ts'

// Whatever contract is mapped: the Stripe objects whose latest snapshot is kept, what some of them say of a user, and
// which payment they tie to which purchase.

/** Stripe objects whose newest snapshot is kept, by `object`. */
export const storedKinds: readonly ObjectKind[] = [
  'customer',
  'subscription',
  'invoice',
  'product',
  'price',
  'plan',
  'checkout.session',
  'charge',
  'payment_intent',
  'credit_note',
]

const session = reading<Stripe.Checkout.Session>()
const customer = reading<Stripe.Customer>()
const invoice = reading<Stripe.Invoice>()
const charge = reading<Stripe.Charge>()
const intent = reading<Stripe.PaymentIntent>()
const payment = reading<Stripe.InvoicePayment>()
const refund = reading<Stripe.Refund>()
const note = reading<Stripe.CreditNote>()

/** What an event says beside what it emits: the client's own id of the user behind a customer. */
export const userClaims: Partial<Record<ObjectKind, { customer: Node; clientUserId: Node }>> = wordTable({
  customer: { customer: customer.from('id'), clientUserId: customer.from('metadata.client_user_id') },
  'checkout.session': {
    customer: firstOf(idOf(session.from('customer')), session.from('customer_account'), session.from('id')),
    clientUserId: firstOf(
      registeredUser(checkoutBehind(session.from('id'))),
      session.from('metadata.client_user_id'),
      session.from('client_reference_id'),
    ),
  },
})

type IdOrObject = string | { id: string }
type PaymentLinks = { of: Node; to: Partial<Record<keyof Link, Node>> }[]
/** Unix seconds of the event, where it is of this type. */
const momentOf = (...types: string[]) => given(is(event('type'), ...types), event('created'))

const intentCharge = firstOf(
  idOf(intent.from('latest_charge')),
  intent.legacy<string>('charges.data.0.id', { until: '2022-11-15' }),
)
const sessionPaid = session.has('payment_status', 'paid', 'no_payment_required')

/** Ties between payments and what was bought, by Stripe's `object`. Since basil an invoice's payment is named by invoice_payment.paid alone. */
export const paymentLinks: Readonly<Record<string, PaymentLinks>> = wordTable({
  invoice: [
    { of: idOf(invoice.legacy<IdOrObject>('charge', BASIL)), to: { invoice: invoice.from('id') } },
    { of: idOf(invoice.legacy<IdOrObject>('payment_intent', BASIL)), to: { invoice: invoice.from('id') } },
    {
      of: invoice.from('id'),
      to: {
        charge: idOf(invoice.legacy<IdOrObject>('charge', BASIL)),
        payment_intent: idOf(invoice.legacy<IdOrObject>('payment_intent', BASIL)),
        // Old invoices do not tell themselves when they were paid.
        purchased: given(invoice.has('status_transitions.paid_at', unset), momentOf('invoice.paid')),
      },
    },
  ],
  invoice_payment: [
    { of: idOf(payment.from('payment.payment_intent')), to: { invoice: idOf(payment.from('invoice')) } },
    { of: idOf(payment.from('payment.charge')), to: { invoice: idOf(payment.from('invoice')) } },
    {
      of: idOf(payment.from('invoice')),
      to: {
        payment_intent: idOf(payment.from('payment.payment_intent')),
        charge: idOf(payment.from('payment.charge')),
      },
    },
  ],
  charge: [
    {
      of: charge.from('id'),
      to: {
        payment_intent: idOf(charge.from('payment_intent')),
        invoice: idOf(charge.legacy<IdOrObject>('invoice', BASIL)),
      },
    },
    {
      of: idOf(charge.from('payment_intent')),
      to: {
        charge: charge.from('id'),
        invoice: idOf(charge.legacy<IdOrObject>('invoice', BASIL)),
        captured: given(charge.has('captured', true), momentOf('charge.captured')),
      },
    },
  ],
  payment_intent: [
    {
      of: intent.from('id'),
      to: {
        charge: intentCharge,
        invoice: idOf(intent.legacy<IdOrObject>('invoice', BASIL)),
        purchased: given(intent.has('metadata.flo_product', set), momentOf('payment_intent.succeeded')),
        captured: given(intent.has('capture_method', 'manual'), momentOf('payment_intent.succeeded')),
      },
    },
    {
      of: intentCharge,
      to: { payment_intent: intent.from('id') },
    },
  ],
  'checkout.session': [
    { of: idOf(session.from('payment_intent')), to: { session: session.from('id') } },
    { of: idOf(session.from('subscription')), to: { session: session.from('id') } },
    { of: idOf(session.from('invoice')), to: { session: session.from('id') } },
    {
      of: session.from('id'),
      to: {
        purchased: firstOf(
          given(sessionPaid, momentOf('checkout.session.completed')),
          momentOf('checkout.session.async_payment_succeeded'),
        ),
      },
    },
  ],
  refund: [
    {
      of: idOf(refund.from('charge')),
      to: { payment_intent: idOf(refund.from('payment_intent')) },
    },
    { of: idOf(refund.from('payment_intent')), to: { charge: idOf(refund.from('charge')) } },
    {
      of: always(REFUND_EVENTS),
      to: { refund: given(is(event('type'), 'refund.created', 'refund.updated', 'refund.failed'), refund.from('id')) },
    },
  ],
  credit_note: [
    {
      of: firstOf(
        idOf(note.legacy<IdOrObject>('refund', BASIL)),
        idsOf('refund')(note.from('refunds') as Expr<{ refund: IdOrObject }[] | null>),
      ),
      to: {
        credit_notes: computed('notes of the refund', (id) => [id], note.from('id')),
        invoice: idOf(note.from('invoice')),
      },
    },
    {
      of: idOf(note.from('invoice')),
      to: { credits: computed('refunds of the note', creditsNamed, self<Stripe.CreditNote>()) },
    },
  ],
})
