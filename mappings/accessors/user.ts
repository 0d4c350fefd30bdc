import { kept, userOf } from '../../src/normalize/words.ts'
import { BASIL } from '../versions.ts'
import { customerEmail, customerMetadata } from './facts.ts'
import { invoice, invoiceCustomer, invoiceSubscription } from './invoice.ts'
import { subscription } from './subscription.ts'

const { from, legacy } = invoice

/** Whom an invoice is for; the client's own id may stand on it, on the subscription that it bills, or on the customer. */
export const invoiceUser = userOf(invoiceCustomer, {
  told: [
    from('metadata.client_user_id'),
    from('parent.subscription_details.metadata.client_user_id'),
    legacy<string>('subscription_details.metadata.client_user_id', BASIL),
    kept('subscription', invoiceSubscription)(subscription.from('metadata.client_user_id')),
    customerMetadata(invoiceCustomer),
  ],
  email: [customerEmail(invoiceCustomer), from('customer_email')],
})
