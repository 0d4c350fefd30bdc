import type Stripe from 'stripe'
import { idOf } from '../src/normalize/converters.ts'
import { type Expr, firstOf, type Kept, type Node, reading } from '../src/normalize/words.ts'

// Whatever contract is mapped: the Stripe objects whose latest snapshot is kept, and what some of them tell of a user.

export const kept: readonly Kept[] = [
  'customer',
  'subscription',
  'invoice',
  'product',
  'price',
  'plan',
  'checkout.session',
]

const session = reading<Stripe.Checkout.Session>()
const customer = reading<Stripe.Customer>()

/** Facts that an event tells beside what it emits: the client's own id of the user behind a customer. */
export const tells: Partial<Record<Kept, { customer: Node; clientUserId: Node }>> = {
  customer: { customer: customer.from('id'), clientUserId: customer.from('metadata.client_user_id') },
  'checkout.session': {
    customer: firstOf(
      idOf(session.from('customer') as Expr<any>),
      session.from('customer_account' as never) as Expr<string | null>,
    ),
    clientUserId: firstOf(session.from('metadata.client_user_id'), session.from('client_reference_id')),
  },
}
