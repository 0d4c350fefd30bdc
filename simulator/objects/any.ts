import type {
  Alert,
  Customer,
  Invoice,
  InvoiceItem,
  Price,
  Product,
  Schedule,
  Session,
  Subscription,
} from './billing.ts'
import type { Charge, CreditNote, InvoicePayment, PaymentIntent, Refund } from './payment.ts'

/** Every object of the simulated account that events are about. */
export type AnyBillingObject =
  | Alert
  | Customer
  | Product
  | Price
  | Subscription
  | Invoice
  | InvoiceItem
  | PaymentIntent
  | Charge
  | Refund
  | InvoicePayment
  | CreditNote
  | Session
  | Schedule
