import type { BillingObject, Card, Line, Metadata } from './billing.ts'

// How money moves; see billing.ts.

export interface PaymentIntent extends BillingObject {
  kind: 'payment_intent'
  customer: string | null
  amount: number
  currency: string
  invoice: string | null
  description: string | null
  status: 'requires_payment_method' | 'requires_action' | 'requires_capture' | 'processing' | 'succeeded' | 'canceled'
  /** `manual`: the money is authorised first, and captured by a request of its own. */
  captureMethod: 'automatic' | 'manual'
  paymentMethod: string | null
  failure: string | null
  /** Newest first. */
  charges: Charge[]
  secret: string
  metadata: Metadata
}

export interface Charge extends BillingObject {
  kind: 'charge'
  customer: string | null
  amount: number
  /** Null: all of it, as soon as it has succeeded. */
  amountCaptured: number | null
  amountRefunded: number
  currency: string
  invoice: string | null
  paymentIntent: string
  card: Card | null
  /** Debited from a bank account: the money takes days, there and back. */
  byBank: boolean
  description: string | null
  status: 'succeeded' | 'pending' | 'failed'
  balanceTransaction: string | null
  failure: string | null
  refunds: Refund[]
  metadata: Metadata
}

export interface Refund extends BillingObject {
  kind: 'refund'
  amount: number
  currency: string
  charge: string
  paymentIntent: string
  customer: string | null
  paymentMethod: string | null
  status: 'pending' | 'succeeded' | 'failed'
  balanceTransaction: string | null
  failure: { reason: string; balanceTransaction: string } | null
}

export interface InvoicePayment extends BillingObject {
  kind: 'invoice_payment'
  invoice: string
  amount: number
  currency: string
  paymentIntent: string
  paidAt: number | null
}

export interface CreditNote extends BillingObject {
  kind: 'credit_note'
  customer: string
  invoice: string
  currency: string
  number: string
  lines: { id: string; line: Line; amount: number }[]
  type: 'pre_payment' | 'post_payment'
  refund: Refund | null
}
