import type Stripe from 'stripe'
import { idOf, uuidText } from '../../src/language/converters.ts'
import { computed, firstOf, kept, reading, userOf } from '../../src/language/words.ts'
import { BASIL } from '../versions.ts'
import { checkoutBehind, customerEmail, customerMetadata, linkedId, registeredUser } from './facts.ts'
import { invoice, invoiceCustomer, invoiceSubscription } from './invoice.ts'
import { customerOf, itemPlanId, items, primary, subscription } from './subscription.ts'

// Whom Stripe's objects are about, for every contract alike: one customer is one user.

const { from, legacy } = invoice

/** The checkout that the client registered for a subscription. */
const subscriptionCheckout = checkoutBehind(linkedId(subscription.from('id'), 'session'))

/** The subscription of the registered checkout: the one of this plan, else the only one; Flo stamps its uuid on Stripe's object. */
export const checkoutSubscription = firstOf(
  uuidText(subscription.from('metadata.flo_subscription')),
  computed(
    'registered subscription',
    (checkout, plan): string | null => {
      const list: { uuid: string; id: string }[] = checkout?.subscriptions ?? []
      return (list.find(({ id }) => id === plan) ?? (list.length === 1 ? list[0] : undefined))?.uuid ?? null
    },
    subscriptionCheckout,
    primary(items, itemPlanId),
  ),
)

/** Whose a subscription is. */
export const subscriptionUser = userOf(customerOf, {
  clientUserId: [
    registeredUser(subscriptionCheckout),
    subscription.from('metadata.client_user_id'),
    customerMetadata(customerOf),
  ],
  email: [customerEmail(customerOf)],
})

/** Whom an invoice is for; the client's own id may stand on it, on the subscription that it bills, or on the customer. */
export const invoiceUser = userOf(invoiceCustomer, {
  clientUserId: [
    from('metadata.client_user_id'),
    from('parent.subscription_details.metadata.client_user_id'),
    legacy<string>('subscription_details.metadata.client_user_id', BASIL),
    kept('subscription', invoiceSubscription)(subscription.from('metadata.client_user_id')),
    customerMetadata(invoiceCustomer),
  ],
  email: [customerEmail(invoiceCustomer), from('customer_email')],
})

const session = reading<Stripe.Checkout.Session>()
/** Without a customer the session itself stands for one, until a customer appears. */
const sessionCustomer = firstOf(idOf(session.from('customer')), session.from('customer_account'), session.from('id'))

/** Who went through a Checkout session. */
export const sessionUser = userOf(sessionCustomer, {
  clientUserId: [
    registeredUser(checkoutBehind(session.from('id'))),
    session.from('metadata.client_user_id'),
    customerMetadata(sessionCustomer),
    session.from('client_reference_id'),
  ],
  email: [customerEmail(sessionCustomer), session.from('customer_email'), session.from('customer_details.email')],
})

const customer = reading<Stripe.Customer>()

/** The user that a customer stands for. */
export const customerUser = userOf(customer.from('id'), {
  clientUserId: [customer.from('metadata.client_user_id')],
  email: [customer.from('email')],
})
