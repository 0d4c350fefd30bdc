import { z } from 'zod'
import type { Contract } from './contract.ts'
import { floExample } from './flo-example.ts'
import { floHeaders, floSecretTrouble, newFloSecret } from './headers.ts'
import { newPrivateKey, publicKeyOf } from './key-pairs.ts'
import { describeSchemas, floMeanings } from './meanings.ts'

// The one place where the fields that Flo's public text leaves open are decided.

const time = z.iso.datetime({ precision: 3 }).meta({ description: 'ISO 8601, UTC, milliseconds' })
const money = z.number().nullable().meta({ description: 'Major units: 29 is $29.00. null: the source does not say' })
const currency = z
  .string()
  .regex(/^[A-Z]{3}$/)
  .nullable()
  .meta({ description: 'ISO 4217, upper case' })
const text = z.string().nullable()
const metadata = z.record(z.string(), z.string()).nullable()
const quantity = z.number().nullable()

export const user = z.strictObject({
  id: z.uuid().meta({ description: "The Flo user's id" }),
  clientUserId: text.meta({
    description: "The client's own id of this user; null until the client or a checkout has named it",
  }),
  email: text,
})

export const invoiceDetails = z.strictObject({
  invoiceId: text,
  invoiceNumber: text,
  state: z.enum(['draft', 'open', 'paid', 'overdue', 'void', 'uncollectible', 'deleted']).nullable(),
  billingReason: text,
  currency,
  amountDue: money,
  amountPaid: money,
  attemptCount: z.number().int().nullable(),
  nextPaymentAttempt: time.nullable(),
  paymentMethod: z.strictObject({ type: z.string(), brand: text, last4: text }).nullable(),
  gateway: z.literal('stripe'),
  gatewayEventType: z.string(),
  gatewayEventId: text,
})

export const subscription = z.strictObject({
  uuid: z.uuid().meta({ description: "The subscription's own id: it never changes" }),
  id: text.meta({ description: "The plan's id" }),
  name: text.meta({ description: "The plan's name" }),
  description: text,
  startDate: time.nullable().meta({ description: 'Start of the current period' }),
  endDate: time.nullable().meta({ description: 'End of the current period; of an ended subscription its end' }),
  state: z
    .enum(['incomplete', 'trialing', 'active', 'past_due', 'unpaid', 'paused', 'cancelled', 'expired'])
    .nullable(),
  quantity,
  currency,
  amount: money.meta({ description: 'Major units, per unit' }),
  total: money.meta({ description: 'Major units: amount x quantity over the recurring items, before tax' }),
  cancelAt: time.nullable(),
  canceledAt: time.nullable(),
  trialEnd: time.nullable(),
  pausedAt: time.nullable(),
  resumeAt: time.nullable(),
  metadata,
  invoiceDetails: invoiceDetails.nullable(),
})

export const item = z.strictObject({
  uuid: z.uuid(),
  id: text,
  name: text,
  description: text,
  state: z
    .enum(['purchased', 'partially_refunded', 'refunded'])
    .nullable()
    .meta({ description: 'null: of a refund whose payment is not known' }),
  quantity,
  currency,
  amount: money.meta({ description: 'Major units, per unit' }),
  total: money,
  refundedAmount: money.meta({ description: 'Major units: all that was given back so far' }),
  purchasedAt: time.nullable(),
  refundedAt: time.nullable(),
  metadata,
  invoiceDetails: invoiceDetails.nullable(),
})

export const invoiceLine = z.strictObject({
  id: text,
  type: z.enum(['subscription', 'item']),
  productId: text,
  priceId: text,
  description: text,
  quantity,
  currency,
  amount: money.meta({ description: "Major units: the line's total" }),
  periodStart: time.nullable(),
  periodEnd: time.nullable(),
  proration: z.boolean(),
})

export const invoice = z.strictObject({
  uuid: z.uuid(),
  id: z.string().meta({ description: "The gateway's id" }),
  number: text,
  state: z.enum(['draft', 'open', 'paid', 'overdue', 'void', 'uncollectible', 'deleted']),
  currency,
  subtotal: money,
  discount: money,
  tax: money,
  total: money,
  amountDue: money,
  amountPaid: money,
  amountRemaining: money,
  createdAt: time.nullable(),
  dueDate: time.nullable(),
  paidAt: time.nullable(),
  periodStart: time.nullable(),
  periodEnd: time.nullable(),
  hostedInvoiceUrl: text,
  pdfUrl: text,
  lines: z.array(invoiceLine),
  metadata,
  invoiceDetails: invoiceDetails.nullable(),
})

/** A subscription or item beside an invoice: present only when it resolves to a Flo record. */
export const related = z.strictObject({
  uuid: z.uuid(),
  id: text,
  name: text,
  description: text,
  quantity,
  currency,
  amount: money,
  total: money,
  metadata,
})

const subscriptionTypes = [
  'subscription.created',
  'subscription.updated',
  'subscription.cancelled',
  'subscription.renewed',
  'subscription.reactivated',
  'subscription.paused',
  'subscription.resumed',
  'subscription.expired',
] as const
const itemTypes = ['item.purchased', 'item.refunded'] as const
const invoiceTypes = [
  'invoice.created',
  'invoice.updated',
  'invoice.deleted',
  'invoice.paid',
  'invoice.overdue',
] as const

// Key order is part of the contract: the bodies are built in the order of these shapes.
export const floSubscription = z.strictObject({
  eventVersion: z.literal('v1'),
  objectType: z.literal('subscription'),
  eventType: z.enum(subscriptionTypes),
  user,
  subscription,
})
export const floItem = z.strictObject({
  eventVersion: z.literal('v1'),
  objectType: z.literal('item'),
  eventType: z.enum(itemTypes),
  user,
  item,
  subscription: related.optional().meta({ description: 'There when the item was bought with a subscription' }),
})
export const floInvoice = z.strictObject({
  eventVersion: z.literal('v1'),
  objectType: z.literal('invoice'),
  eventType: z.enum(invoiceTypes),
  user,
  invoice,
  subscription: related.optional().meta({ description: 'There when the invoice resolves to a subscription' }),
  item: related.optional().meta({ description: 'There when the invoice resolves to an item of a checkout' }),
})

const eventId = z.uuid().meta({ description: "The delivery's id: the same on every retry, another for every endpoint" })
const eventFamilies = [
  [subscriptionTypes, floSubscription],
  [itemTypes, floItem],
  [invoiceTypes, floInvoice],
] as const

const schemasByType = (schemaOf: (schema: z.ZodObject) => z.ZodObject) =>
  Object.fromEntries(
    eventFamilies.flatMap(([types, schema]) =>
      types.map((type) => [type, schemaOf((schema as z.ZodObject).extend({ eventType: z.literal(type) }))]),
    ),
  )

const wireHeaders = z.strictObject({
  'Content-Type': z.literal('application/json'),
  'User-Agent': z.string(),
  'Flo-Signature': z.string().optional().meta({
    description:
      't=<unix seconds>,v1=<hex>: HMAC-SHA256 of `<t>.<raw body>`; one v1 for each live secret. Not sent to endpoints that sign by key pair',
  }),
  'webhook-id': z.uuid().meta({ description: 'The eventId' }),
  'webhook-timestamp': z.string().meta({ description: 'Unix seconds' }),
  'webhook-signature': z.string().meta({
    description: 'v1,<base64> by Standard Webhooks 1.0, one for each live secret; v1a,<base64> of a key pair (Ed25519)',
  }),
  'Flo-Event-Type': z.string(),
  'Flo-Delivery-Attempt': z.string().meta({ description: 'Counts from 1' }),
})

export const flo: Contract = {
  name: 'flo.v1',
  eventTypes: [...subscriptionTypes, ...itemTypes, ...invoiceTypes],
  schemas: schemasByType((schema) => schema),
  wireSchemas: describeSchemas(
    schemasByType((schema) => z.strictObject({ eventId, ...schema.shape })),
    floMeanings,
  ),
  wireHeaders,
  // 5 s, 30 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: about three days.
  retrySchedule: [5, 30, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400],
  jitter: 0.2,
  signatureHeader: 'Flo-Signature',
  newSecret: newFloSecret,
  secretTrouble: floSecretTrouble,
  keyPairs: { newSecret: newPrivateKey, publicKeyOf, signatureHeader: 'webhook-signature' },
  wireBody: (deliveryId, body) => `{"eventId":"${deliveryId}",${body.slice(1)}`,
  headers: floHeaders,
  example: floExample,
}
