import type { InvoicePayment, PaymentIntent } from '../objects/payment.ts'
import { BASIL } from '../versions.ts'
import { chargeFields } from './charge.ts'
import { either, type Fields, livemode, renderList, renderObject, type Shape, since, until } from './fields.ts'

const chargesOf = (intent: PaymentIntent, shape: Shape) =>
  renderList(
    intent.charges.map((charge) => renderObject(chargeFields, charge, shape)),
    `/v1/charges?payment_intent=${intent.id}`,
  )

export const paymentIntentFields: Fields<PaymentIntent> = {
  id: ({ id }) => id,
  object: 'payment_intent',
  allowed_payment_method_types: since('2026-09-30', null),
  allowed_source_types: until('2019-02-11', () => ['card']),
  amount: ({ amount }) => amount,
  amount_capturable: ({ amount, status }) => (status === 'requires_capture' ? amount : 0),
  amount_details: since('2022-08-01', () => ({ tip: {} })),
  amount_received: ({ amount, charges, status }) =>
    status === 'succeeded' ? (charges[0]?.amountCaptured ?? amount) : 0,
  application: null,
  application_fee_amount: null,
  automatic_payment_methods: since('2020-08-27', null),
  canceled_at: null,
  cancellation_reason: null,
  capture_method: ({ captureMethod }) => captureMethod,
  charges: until('2022-11-15', chargesOf),
  client_secret: ({ secret }) => secret,
  confirmation_method: 'automatic',
  created: ({ created }) => created,
  currency: ({ currency }) => currency,
  customer: ({ customer }) => customer,
  customer_account: since('2025-12-15', null),
  description: ({ description }) => description,
  excluded_payment_method_types: since('2025-09-30', null),
  invoice: until(BASIL, ({ invoice }: PaymentIntent) => invoice),
  last_payment_error: ({ failure }) =>
    failure && {
      code: failure,
      decline_code: 'generic_decline',
      message: 'Your card was declined.',
      type: 'card_error',
    },
  latest_charge: since('2022-11-15', ({ charges }: PaymentIntent) => charges[0]?.id ?? null),
  livemode,
  managed_payments: since('2026-05-27', { enabled: false }),
  metadata: ({ metadata }) => metadata,
  next_action: null,
  next_source_action: until('2019-02-11', null),
  on_behalf_of: null,
  payment_method: ({ paymentMethod }) => paymentMethod,
  payment_method_configuration_details: since('2023-10-16', null),
  payment_method_options: () => ({}),
  payment_method_types: () => ['card'],
  payment_record: since('2026-09-30', null),
  processing: since('2020-08-27', null),
  receipt_email: null,
  review: null,
  setup_future_usage: null,
  shipping: null,
  source: either(until('2022-08-01', null), since('2024-06-20', null)),
  statement_descriptor: null,
  statement_descriptor_suffix: null,
  status: ({ status }) => status,
  transfer_data: null,
  transfer_group: null,
}

/** The only link from an invoice to its payment since basil. */
export const invoicePaymentFields: Fields<InvoicePayment> = {
  id: ({ id }) => id,
  object: 'invoice_payment',
  amount_paid: ({ amount, paidAt }) => (paidAt === null ? null : amount),
  amount_requested: ({ amount }) => amount,
  created: ({ created }) => created,
  currency: ({ currency }) => currency,
  invoice: ({ invoice }) => invoice,
  is_default: true,
  livemode,
  payment: ({ paymentIntent }) => ({ payment_intent: paymentIntent, type: 'payment_intent' }),
  status: ({ paidAt }) => (paidAt === null ? 'open' : 'paid'),
  status_transitions: { canceled_at: null, paid_at: ({ paidAt }: InvoicePayment) => paidAt },
}
