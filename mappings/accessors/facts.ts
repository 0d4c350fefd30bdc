import type Stripe from 'stripe'
import type { Json } from '../../src/domain/json.ts'
import { type Expr, set } from '../../src/language/mapping.ts'
import { always, called, computed, converter, firstOf, is, kept, reading, self } from '../../src/language/words.ts'
import { invoice, invoiceSubscription } from './invoice.ts'

// What other objects say: names, customers, which payment belongs to what, and which checkout the client registered.

/** The client's own id of a user, as it stands in the stored customer's metadata. */
export const customerMetadata = (id: Expr<string | null>) =>
  kept('customer', id)(reading<Stripe.Customer>().from('metadata.client_user_id'))
/** The email of the stored customer, also after it was deleted. */
export const customerEmail = (id: Expr<string | null>) => kept('customer', id)(reading<Stripe.Customer>().from('email'))
/** The name of a stored product. */
export const productName = (id: Expr<string | null>) => kept('product', id)(reading<Stripe.Product>().from('name'))
/** The description of a stored product. */
export const productDescription = (id: Expr<string | null>) =>
  kept('product', id)(reading<Stripe.Product>().from('description'))

/** What is known to be tied to an id, over all events. */
export type Link = {
  invoice: string | null
  charge: string | null
  payment_intent: string | null
  session: string | null
  /** The credit notes that name a refund. */
  credit_notes: string[] | null
  /** Unix seconds: when it was bought with this. */
  purchased: number | null
  /** Unix seconds: when a payment that had only been authorised was captured. */
  captured: number | null
  /** What credit notes have given back of an invoice. */
  credits: Credit[] | null
  /** Any refund, of the source itself: it sends refund events. */
  refund: string | null
}
/** A refund as a credit note names it. */
export interface Credit {
  note: string
  refund: string
  /** Unix seconds of the note. */
  created: number
  /** Minor units of the refund that the note is about; null where it does not say. */
  money: number | null
  /** The lines of the invoice, and the minor units that the note gives back of each: discounts off, exclusive tax on. */
  lines: { line: string; amount: number }[]
}
type LinkedId = 'invoice' | 'charge' | 'payment_intent' | 'session'
const linkKey = converter('link', (id: string) => `link:${id}`)
const checkoutKey = converter('checkout', (id: string) => `checkout:${id}`)
/** One end of the ties that an id has. */
export const linkedId = (id: Expr<string | null>, end: LinkedId): Expr<string | null> =>
  kept('link', linkKey(id))(reading<Link>().from(end))
/** Unix seconds of what has happened to an id. */
export const linkedMoment = (id: Expr<string | null>, end: 'purchased' | 'captured'): Expr<number | null> =>
  kept('link', linkKey(id))(reading<Link>().from(end))
/** What credit notes have given back of an invoice through refunds. */
export const creditsOf = (invoiceId: Expr<string | null>): Expr<Credit[] | null> =>
  kept('link', linkKey(invoiceId))(reading<Link>().from('credits'))

/** Stands for the refund events of a source. */
export const REFUND_EVENTS = 'refund.*'
/** Whether the source has ever sent a refund event. */
export const sendsRefundEvents = called(
  'the source sends refund events',
  is(kept('link', linkKey(always(REFUND_EVENTS)))(reading<Link>().from('refund')), set),
)
/** The registered checkout of an id: a Checkout session's, or Flo's own. */
const checkoutOf = (id: Expr<string | null>) => kept('checkout', checkoutKey(id))(self<Json>())
const markedObject = reading<{ metadata: Record<string, string> | null }>()
/** The checkout that Flo's own mark on an object names. */
const checkoutMark = called(
  "Flo's mark on it",
  firstOf(
    markedObject.from('metadata.flo_checkout_session'),
    markedObject.from('metadata.checkoutSessionId'),
    markedObject.from('metadata.initialCheckoutSessionId'),
  ),
)
/** The registered checkout that led to the object at hand: by Flo's mark on it, by Stripe's session, by the mark on that. */
export const checkoutBehind = (...sessions: Expr<string | null>[]): Expr<Json> =>
  called(
    'the registered checkout',
    firstOf(
      checkoutOf(checkoutMark),
      ...sessions.map(checkoutOf),
      ...sessions.map((session) => checkoutOf(kept('checkout.session', session)(checkoutMark))),
    ),
  )
/** The client's own id of the user that it registered a checkout for. */
export const registeredUser = (checkout: Expr<Json>): Expr<string | null> =>
  computed('user of the checkout', (found: Json) => found?.client_user_id ?? null, checkout)
/** The registered checkout that led to an invoice: by itself, or by the subscription that it bills. */
export const invoiceCheckout = firstOf(
  checkoutBehind(linkedId(invoice.from('id'), 'session'), linkedId(invoiceSubscription, 'session')),
  checkoutOf(kept('subscription', invoiceSubscription)(checkoutMark)),
)
