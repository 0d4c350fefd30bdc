import type { Card } from '../objects/billing.ts'
import type { Charge } from '../objects/payment.ts'
import { BASIL, CLOVER } from '../versions.ts'
import { type Node, since } from './fields.ts'

/** A card as it stood in customers and charges before payment methods. */
export const oldCard = (card: Card, customer: string | null) => ({
  id: card.id,
  object: 'card',
  address_city: null,
  address_country: null,
  address_line1: null,
  address_line1_check: null,
  address_line2: null,
  address_state: null,
  address_zip: null,
  address_zip_check: null,
  brand: 'Visa',
  country: 'US',
  customer,
  cvc_check: 'pass',
  dynamic_last4: null,
  exp_month: 12,
  exp_year: 2034,
  fingerprint: card.fingerprint,
  funding: 'credit',
  last4: '4242',
  metadata: {},
  name: null,
})

/** The card as charges show it since payment methods. */
export const cardDetails: Node<Charge> = {
  amount_authorized: since('2024-06-20', ({ amount }: Charge) => amount),
  authorization_code: since('2024-06-20', null),
  brand: 'visa',
  checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' },
  country: 'US',
  exp_month: 12,
  exp_year: 2034,
  extended_authorization: since('2024-06-20', { status: 'disabled' }),
  fingerprint: ({ card }: Charge) => card?.fingerprint ?? null,
  funding: 'credit',
  incremental_authorization: since('2024-06-20', { status: 'unavailable' }),
  installments: null,
  last4: '4242',
  mandate: null,
  multicapture: since('2024-06-20', { status: 'unavailable' }),
  network: 'visa',
  network_token: since('2023-10-16', { used: false }),
  network_transaction_id: since(BASIL, null),
  overcapture: since('2024-06-20', {
    maximum_amount_capturable: ({ amount }: Charge) => amount,
    status: 'unavailable',
  }),
  regulated_status: since(BASIL, 'unregulated'),
  three_d_secure: null,
  transaction_link_id: since('2026-05-27', null),
  wallet: null,
}

/** What the bank and Stripe's risk check said. */
export const chargeOutcome: Node<Charge> = {
  advice_code: since(CLOVER, null),
  network_advice_code: since(CLOVER, null),
  network_decline_code: since(CLOVER, null),
  network_status: ({ status }: Charge) => (status === 'failed' ? 'declined_by_network' : 'approved_by_network'),
  reason: ({ status }: Charge) => (status === 'failed' ? 'generic_decline' : null),
  risk_level: 'normal',
  risk_score: 20,
  seller_message: ({ status }: Charge) =>
    status === 'failed' ? 'The bank did not return any further details.' : 'Payment complete.',
  type: ({ status }: Charge) => (status === 'failed' ? 'issuer_declined' : 'authorized'),
}
