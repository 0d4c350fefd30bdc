import type { Mapping } from '../src/normalize/mapping.ts'
import checkout from './flo/checkout.ts'
import invoice from './flo/invoice.ts'
import payment from './flo/payment.ts'
import purchase from './flo/purchase.ts'
import refunds from './flo/refund.ts'
import renewal from './flo/renewal.ts'
import subscription from './flo/subscription.ts'

/** Every mapping of a contract. Events of one source event leave in this order. */
export const mappings: Readonly<Record<string, readonly Mapping[]>> = {
  'flo.v1': [subscription, invoice, renewal, purchase, checkout, payment, ...refunds] as unknown as readonly Mapping[],
}
