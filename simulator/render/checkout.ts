import type { Session } from '../objects/billing.ts'
import { ACACIA, BASIL, CLOVER, DAHLIA } from '../versions.ts'
import { added, between, either, type Fields, livemode, type Shape, since, until } from './fields.ts'

const emptyAddress = () => ({ city: null, country: 'US', line1: null, line2: null, postal_code: null, state: null })
/** One of the modes only: null in the others. */
const inMode = (mode: Session['mode'], value: string) => (session: Session) => (session.mode === mode ? value : null)

export const sessionFields: Fields<Session> = {
  id: ({ id }) => id,
  object: 'checkout.session',
  adaptive_pricing: since(ACACIA, { enabled: false }),
  after_expiration: null,
  allow_promotion_codes: null,
  allowed_payment_method_types: since('2026-09-30', null),
  amount_subtotal: ({ amount }) => amount,
  amount_total: ({ amount }) => amount,
  automatic_tax: {
    enabled: false,
    liability: since('2024-06-20', null),
    provider: since(CLOVER, null),
    status: null,
  },
  billing_address_collection: null,
  cancel_url: 'https://example.com/cancel',
  client_reference_id: ({ clientReferenceId }) => clientReferenceId,
  client_secret: since('2024-06-20', null),
  collected_information: since(BASIL, {
    business_name: since(CLOVER, null),
    individual_name: since(CLOVER, null),
    shipping_details: null,
  }),
  consent: ({ terms, status }) =>
    terms ? { promotions: null, terms_of_service: status === 'complete' ? 'accepted' : null } : null,
  consent_collection: ({ terms }) =>
    terms ? { payment_method_reuse_agreement: null, promotions: 'none', terms_of_service: 'required' } : null,
  created: since('2022-11-15', ({ created }: Session) => created),
  currency: ({ currency }) => currency,
  currency_conversion: since('2023-10-16', null),
  custom_fields: since('2023-10-16', []),
  custom_text: since('2022-11-15', {
    after_submit: since('2024-06-20', null),
    shipping_address: null,
    submit: null,
    terms_of_service_acceptance: since('2023-10-16', null),
  }),
  customer: ({ customer }) => customer,
  customer_account: since('2025-12-15', null),
  customer_creation: either(
    until('2022-08-01', inMode('payment', 'always')),
    since('2022-08-01', inMode('payment', 'if_required')),
  ),
  customer_details: customerDetails,
  customer_email: null,
  discounts: since(BASIL, []),
  expires_at: ({ expiresAt }) => expiresAt,
  integration_identifier: since(DAHLIA, null),
  invoice: added(
    '2023-10-16',
    ({ invoice }: Session) => invoice,
    ({ invoice }) => invoice !== null,
  ),
  invoice_creation: since('2023-10-16', ({ mode, invoiceCreation }: Session) =>
    mode === 'payment'
      ? {
          enabled: invoiceCreation,
          invoice_data: {
            account_tax_ids: null,
            custom_fields: null,
            description: null,
            footer: null,
            issuer: null,
            metadata: {},
            rendering_options: null,
          },
        }
      : null,
  ),
  livemode,
  locale: null,
  managed_payments: since('2026-05-27', { enabled: false }),
  metadata: ({ metadata }) => metadata,
  mode: ({ mode }) => mode,
  origin_context: since(CLOVER, null),
  payment_intent: ({ paymentIntent }) => paymentIntent,
  payment_link: null,
  payment_method_collection: since('2022-11-15', ({ mode }: Session) =>
    mode === 'subscription' ? 'always' : 'if_required',
  ),
  payment_method_configuration_details: since('2023-10-16', null),
  payment_method_options: () => ({}),
  payment_method_types: () => ['card'],
  payment_status: ({ paymentStatus }) => paymentStatus,
  permissions: since(BASIL, null),
  phone_number_collection: { enabled: false },
  recovered_from: null,
  saved_payment_method_options: since('2024-06-20', null),
  setup_intent: null,
  shipping: until('2022-08-01', null),
  shipping_address_collection: null,
  shipping_cost: since('2022-08-01', null),
  shipping_details: between('2022-08-01', BASIL, null),
  shipping_options: [],
  shipping_rate: until('2022-08-01', null),
  status: ({ status }) => status,
  submit_type: null,
  subscription: ({ subscription }) => subscription,
  success_url: 'https://example.com/success',
  total_details: () => ({ amount_discount: 0, amount_shipping: 0, amount_tax: 0 }),
  ui_mode: since('2024-06-20', 'hosted'),
  url: ({ id, status }) => (status === 'open' ? `https://checkout.stripe.com/c/pay/${id}` : null),
  wallet_options: since(CLOVER, null),
}

function customerDetails({ email, name }: Session, { date }: Shape) {
  if (email === null) return null
  return {
    ...(date >= '2022-08-01' && { address: emptyAddress() }),
    ...(date >= CLOVER && { business_name: null }),
    email,
    ...(date >= CLOVER && { individual_name: null }),
    ...(date >= '2022-08-01' && { name }),
    phone: null,
    tax_exempt: 'none',
    tax_ids: [],
  }
}
