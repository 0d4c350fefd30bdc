// One story for all examples of the contract: a monthly plan of $29, its invoice, and a one-off setup.

const details = {
  invoiceId: 'in_1TKx2u',
  invoiceNumber: 'INV-0042',
  state: 'paid',
  billingReason: 'subscription_cycle',
  currency: 'USD',
  amountDue: 29,
  amountPaid: 29,
  attemptCount: 1,
  nextPaymentAttempt: null,
  paymentMethod: { type: 'card', brand: 'visa', last4: '4242' },
  gateway: 'stripe',
  gatewayEventType: 'invoice.paid',
  gatewayEventId: 'evt_1TKx2v',
}
const plan = {
  uuid: 'd8a2ad28-b98f-4cb6-bf46-f11cc0f5df16',
  id: 'plan_pro',
  name: 'Pro',
  description: 'Pro subscription',
}
const subscription = {
  ...plan,
  startDate: '2026-04-10T00:00:00.000Z',
  endDate: '2026-05-10T00:00:00.000Z',
  state: 'active',
  quantity: 1,
  currency: 'USD',
  amount: 29,
  total: 29,
  cancelAt: null,
  canceledAt: null,
  trialEnd: null,
  pausedAt: null,
  resumeAt: null,
  metadata: null,
  invoiceDetails: null,
}
const changes: Record<string, object> = {
  'subscription.cancelled': { cancelAt: '2026-05-10T00:00:00.000Z', canceledAt: '2026-04-20T09:30:00.000Z' },
  'subscription.renewed': { invoiceDetails: details },
  'subscription.paused': {
    state: 'paused',
    pausedAt: '2026-04-20T09:30:00.000Z',
    resumeAt: '2026-05-20T00:00:00.000Z',
  },
  'subscription.expired': {
    state: 'expired',
    endDate: '2026-05-10T00:00:00.000Z',
    cancelAt: '2026-05-10T00:00:00.000Z',
    canceledAt: '2026-04-20T09:30:00.000Z',
  },
}
const item = {
  uuid: '5a8f1f8e-33c5-4a57-a1e5-2f6b1f0c7a10',
  id: 'price_setup',
  name: 'Setup',
  description: 'One-off setup',
  state: 'purchased',
  quantity: 1,
  currency: 'USD',
  amount: 49.99,
  total: 49.99,
  refundedAmount: 0,
  purchasedAt: '2026-04-10T00:00:00.000Z',
  refundedAt: null,
  metadata: null,
  invoiceDetails: details,
}
const invoice = {
  uuid: '0b0b4c7e-3d2d-4a2e-9c1b-7d0a6f1f2e33',
  id: 'in_1TKx2u',
  number: 'INV-0042',
  state: 'paid',
  currency: 'USD',
  subtotal: 29,
  discount: 0,
  tax: 0,
  total: 29,
  amountDue: 29,
  amountPaid: 29,
  amountRemaining: 0,
  createdAt: '2026-04-10T00:00:00.000Z',
  dueDate: null,
  paidAt: '2026-04-10T00:00:05.000Z',
  periodStart: '2026-03-10T00:00:00.000Z',
  periodEnd: '2026-04-10T00:00:00.000Z',
  hostedInvoiceUrl: 'https://invoice.stripe.com/i/example',
  pdfUrl: 'https://pay.stripe.com/invoice/example/pdf',
  lines: [
    {
      id: 'il_1TKx2w',
      type: 'subscription',
      productId: 'prod_pro',
      priceId: 'plan_pro',
      description: '1 x Pro',
      quantity: 1,
      currency: 'USD',
      amount: 29,
      periodStart: '2026-04-10T00:00:00.000Z',
      periodEnd: '2026-05-10T00:00:00.000Z',
      proration: false,
    },
  ],
  metadata: null,
  invoiceDetails: details,
}
const invoiceStates: Record<string, object> = {
  'invoice.created': {
    state: 'draft',
    number: null,
    amountPaid: 0,
    amountRemaining: 29,
    paidAt: null,
    hostedInvoiceUrl: null,
    pdfUrl: null,
    invoiceDetails: {
      ...details,
      invoiceNumber: null,
      state: 'draft',
      amountPaid: 0,
      attemptCount: 0,
      paymentMethod: null,
      gatewayEventType: 'invoice.created',
    },
  },
  'invoice.updated': {
    state: 'open',
    amountPaid: 0,
    amountRemaining: 29,
    paidAt: null,
    invoiceDetails: {
      ...details,
      state: 'open',
      amountPaid: 0,
      attemptCount: 0,
      paymentMethod: null,
      gatewayEventType: 'invoice.finalized',
    },
  },
  'invoice.deleted': {
    state: 'deleted',
    number: null,
    amountPaid: 0,
    amountRemaining: 29,
    paidAt: null,
    hostedInvoiceUrl: null,
    pdfUrl: null,
    invoiceDetails: {
      ...details,
      invoiceNumber: null,
      state: 'deleted',
      amountPaid: 0,
      attemptCount: 0,
      paymentMethod: null,
      gatewayEventType: 'invoice.deleted',
    },
  },
  'invoice.overdue': {
    state: 'overdue',
    amountPaid: 0,
    amountRemaining: 29,
    paidAt: null,
    dueDate: '2026-04-24T00:00:00.000Z',
    invoiceDetails: {
      ...details,
      state: 'overdue',
      amountPaid: 0,
      attemptCount: 0,
      paymentMethod: null,
      gatewayEventType: 'invoice.overdue',
    },
  },
}

/** The body of an event type with believable values; docs, `event-types` and test events show it. */
export function floExample(eventType: string): object {
  const [objectType] = eventType.split('.')
  const envelope = {
    eventVersion: 'v1',
    objectType,
    eventType,
    user: { id: '3b4d9a11-0ce8-4a88-9cb1-b4f43d03d2b7', clientUserId: 'user_123', email: 'user@example.com' },
  }
  if (objectType === 'subscription') return { ...envelope, subscription: { ...subscription, ...changes[eventType] } }
  if (objectType === 'item') {
    const refund = { state: 'refunded', refundedAmount: 49.99, refundedAt: '2026-04-12T08:00:00.000Z' }
    return { ...envelope, item: { ...item, ...(eventType === 'item.refunded' ? refund : {}) } }
  }
  const beside = { ...plan, quantity: 1, currency: 'USD', amount: 29, total: 29, metadata: null }
  return { ...envelope, invoice: { ...invoice, ...invoiceStates[eventType] }, subscription: beside }
}
