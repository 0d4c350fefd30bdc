import type { Charge, Refund } from '../objects/payment.ts'
import { BASIL } from '../versions.ts'
import { cardDetails, chargeOutcome, oldCard } from './card.ts'
import {
  added,
  between,
  either,
  type Fields,
  livemode,
  renderList,
  renderObject,
  type Shape,
  since,
  until,
} from './fields.ts'

const SOURCES_GONE = '2020-08-27'
const NO_ADDRESS = { city: null, country: null, line1: null, line2: null, postal_code: null, state: null }
const showAlways = () => true
const sourceOf = ({ card, customer }: Charge) => card && oldCard(card, customer)

export const refundFields: Fields<Refund> = {
  id: ({ id }) => id,
  object: 'refund',
  amount: ({ amount }) => amount,
  balance_transaction: ({ balanceTransaction }) => balanceTransaction,
  charge: ({ charge }) => charge,
  created: ({ created }) => created,
  currency: ({ currency }) => currency,
  customer: since('2026-07-29', ({ customer }: Refund) => customer),
  customer_account: since('2026-07-29', null),
  destination_details: since('2024-06-20', { card: { type: 'refund' }, type: 'card' }),
  failure_balance_transaction: ({ failure }) => failure?.balanceTransaction,
  failure_reason: ({ failure }) => failure?.reason,
  metadata: () => ({}),
  payment_intent: added('2019-02-11', ({ paymentIntent }: Refund) => paymentIntent, showAlways),
  payment_method: since('2026-07-29', ({ paymentMethod }: Refund) => paymentMethod),
  reason: null,
  receipt_number: null,
  source_transfer_reversal: since('2019-02-11', null),
  status: since('2015-01-11', ({ status }: Refund) => status),
  transfer_reversal: since('2019-02-11', null),
}

export const chargeFields: Fields<Charge> = {
  id: ({ id }) => id,
  object: 'charge',
  amount: ({ amount }) => amount,
  amount_captured: since(
    '2020-03-02',
    ({ amount, amountCaptured, status }: Charge) => amountCaptured ?? (status === 'succeeded' ? amount : 0),
  ),
  amount_refunded: ({ amountRefunded }) => amountRefunded,
  application: since('2018-05-21', null),
  application_fee: null,
  application_fee_amount: since('2020-03-02', null),
  balance_transaction: ({ balanceTransaction }) => balanceTransaction,
  billing_details: since('2020-03-02', {
    address: () => NO_ADDRESS,
    email: null,
    name: null,
    phone: null,
    tax_id: since('2025-09-30', null),
  }),
  calculated_statement_descriptor: since('2020-03-02', 'SIMULATED'),
  captured: ({ amountCaptured, status }) => amountCaptured !== 0 && status !== 'failed',
  card: until('2015-02-18', sourceOf),
  created: ({ created }) => created,
  currency: ({ currency }) => currency,
  customer: ({ customer }) => customer,
  description: ({ description }) => description,
  destination: between('2018-02-05', '2022-08-01', null),
  dispute: until('2022-08-01', null),
  disputed: since('2020-03-02', false),
  failure_balance_transaction: since('2022-08-01', null),
  failure_code: ({ failure }) => failure,
  failure_message: ({ failure }) => failure && 'Your card was declined.',
  fraud_details: () => ({}),
  invoice: until(BASIL, ({ invoice }: Charge) => invoice),
  livemode,
  metadata: ({ metadata }) => metadata,
  on_behalf_of: since('2018-05-21', null),
  order: between('2018-02-05', '2022-08-01', null),
  outcome: since('2018-05-21', chargeOutcome),
  paid: ({ status }) => status !== 'failed',
  payment_intent: added('2018-11-08', ({ paymentIntent }: Charge) => paymentIntent, showAlways),
  payment_method: since('2020-03-02', ({ card }: Charge) => card?.paymentMethod ?? null),
  payment_method_details: since('2020-03-02', (charge: Charge, shape: Shape) =>
    charge.byBank
      ? { sepa_debit: { bank_code: '37040044', branch_code: '', country: 'DE', last4: '3000' }, type: 'sepa_debit' }
      : { card: renderObject(cardDetails as Fields<Charge>, charge, shape), type: 'card' },
  ),
  receipt_email: null,
  receipt_number: null,
  receipt_url: since(
    '2020-03-02',
    ({ id, amountRefunded }: Charge) =>
      // The page is another one after each refund.
      `https://pay.stripe.com/receipts/payment/${id}-${amountRefunded}`,
  ),
  refunded: ({ amount, amountRefunded }) => amountRefunded === amount,
  refunds: until('2022-11-15', (charge: Charge, shape: Shape) =>
    renderList(
      charge.refunds.map((refund) => renderObject(refundFields, refund, shape)),
      `/v1/charges/${charge.id}/refunds`,
    ),
  ),
  review: since('2018-05-21', null),
  shipping: null,
  source: either(until(SOURCES_GONE, sourceOf), between(SOURCES_GONE, '2022-08-01', null), since('2024-06-20', null)),
  source_transfer: since('2018-02-05', null),
  statement_description: until('2015-01-11', null),
  statement_descriptor: null,
  statement_descriptor_suffix: since('2020-03-02', null),
  status: ({ status }) => status,
  transfer_data: since('2020-03-02', null),
  transfer_group: since('2018-05-21', null),
}
