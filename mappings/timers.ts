import type Stripe from 'stripe'
import { type Node, unset, type When } from '../src/language/mapping.ts'
import { all, is, kept, reading } from '../src/language/words.ts'
import { invoice, invoiceCustomer, invoiceOwing } from './accessors/invoice.ts'

const customer = reading<Stripe.Customer>()

/** The moment at which our own timer calls an invoice overdue, and `when` it has to (docs/stripe.md 4.11). A test clock's time is not ours. */
export const overdueTimer: { at: Node; when: When } = {
  at: invoice.from('due_date'),
  when: all(
    invoiceOwing,
    is(invoice.from('test_clock'), unset),
    is(kept('customer', invoiceCustomer)(customer.from('test_clock')), unset),
  ),
}
