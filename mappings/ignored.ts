// Stripe's event types that no mapping reads, and why. The longest family that fits a type stands; a type that fits none is
// unknown to us. A test holds every type of the installed stripe package against this list and the mappings.

const NO_BILLING = 'Says nothing about a subscription, an invoice or a purchase.'
const PAYMENT_METHOD = 'How a customer pays, not what: no contract shows it.'
const MONEY_OUT = "The account's own money, not a customer's."

/** The reason by family of event types. */
export const ignoredTypes: Readonly<Record<string, string>> = {
  // Kept as facts for other events.
  'customer.created': 'Kept: the customer of later events.',
  'customer.updated': 'Kept: the customer of later events.',
  'customer.deleted': 'Kept: the customer of later events. Its subscriptions end with events of their own.',
  product: 'Kept: the name of a plan or item.',
  price: 'Kept: the price of a plan or item.',
  plan: 'Kept: the price of a plan.',
  invoice_payment: 'Kept: ties a payment to its invoice, since basil the only event that does.',
  credit_note: 'Kept: names the lines that a refund gives back. A refund of money has refund events of its own.',
  charge:
    'Kept: ties a payment to its invoice. What it paid shows in the events of the invoice, the session or the payment intent.',
  payment_intent: 'Kept: ties a payment to its purchase; only a succeeded one can be a purchase.',

  // Another event says it better.
  invoiceitem: 'Told when the invoice that it lands on is paid.',
  subscription_schedule: 'A plan for later: each phase arrives as customer.subscription.updated when it takes effect.',
  quote: 'An offer: what comes of it arrives as a subscription or invoice event.',
  'charge.dispute': 'A dispute is no refund: the money may come back. A refund that follows is sent.',
  'customer.discount': 'A coupon shows nowhere in the contract; its effect is in the amounts of the invoice.',
  coupon: 'A coupon shows nowhere in the contract; its effect is in the amounts of the invoice.',
  promotion_code: 'A coupon shows nowhere in the contract; its effect is in the amounts of the invoice.',
  payment_link: 'A page to buy on: the purchase arrives with its Checkout session.',
  'billing_portal.session': 'A visit: what the customer changed arrives as a subscription event.',

  // Not about anything that a contract contains.
  'customer.source': PAYMENT_METHOD,
  'customer.card': PAYMENT_METHOD,
  'customer.bank_account': PAYMENT_METHOD,
  'customer.tax_id': NO_BILLING,
  customer: NO_BILLING,
  payment_method: PAYMENT_METHOD,
  setup_intent: PAYMENT_METHOD,
  source: PAYMENT_METHOD,
  mandate: PAYMENT_METHOD,
  three_d_secure: PAYMENT_METHOD,
  cash_balance: PAYMENT_METHOD,
  customer_cash_balance_transaction: PAYMENT_METHOD,
  billing: 'Meters, alerts and credits: the invoice that follows has events of its own.',
  billing_portal: NO_BILLING,
  tax: NO_BILLING,
  tax_rate: NO_BILLING,
  radar: NO_BILLING,
  review: NO_BILLING,
  account: MONEY_OUT,
  application_fee: MONEY_OUT,
  balance: MONEY_OUT,
  balance_settings: MONEY_OUT,
  capability: MONEY_OUT,
  person: MONEY_OUT,
  payout: MONEY_OUT,
  topup: MONEY_OUT,
  transfer: MONEY_OUT,
  reserve: MONEY_OUT,
  treasury: MONEY_OUT,
  apps: NO_BILLING,
  climate: NO_BILLING,
  entitlements: 'Follows from the subscription, which has events of its own.',
  file: NO_BILLING,
  financial_connections: NO_BILLING,
  identity: NO_BILLING,
  issuing_authorization: NO_BILLING,
  issuing_card: NO_BILLING,
  issuing_cardholder: NO_BILLING,
  issuing_dispute: NO_BILLING,
  issuing_personalization_design: NO_BILLING,
  issuing_token: NO_BILLING,
  issuing_transaction: NO_BILLING,
  reporting: NO_BILLING,
  sigma: NO_BILLING,
  terminal: NO_BILLING,
  test_helpers: 'The clock of a test: what it leads to arrives as other events.',
}
