import { createHmac } from 'node:crypto'
import { z } from 'zod'
import type { AttemptToSend, Contract } from './contract.ts'
import { florentinExample } from './florentin-example.ts'
import { floSecretTrouble, newFloSecret, USER_AGENT } from './headers.ts'
import { describeSchemas, florentinMeanings } from './meanings.ts'

// The one place where the fields that Florentin's public text leaves open are decided.

const time = z.iso.datetime({ precision: 3 }).meta({ description: 'ISO 8601, UTC, milliseconds' })
const minor = z.number().nullable().meta({
  description: 'Minor units: 4900 is €49.00; a fraction where the price has one. null: the source does not say',
})
const currency = z
  .string()
  .regex(/^[a-z]{3}$/)
  .nullable()
  .meta({ description: 'ISO 4217, lower case' })
const text = z.string().nullable()
const quantity = z.number().nullable()

export const account = z.strictObject({
  id: z.string().meta({ description: "The account's id: the user's, unless the application gave another" }),
  email: text,
  name: text,
  created_at: time.nullable(),
})
export const user = z.strictObject({
  id: z.uuid(),
  client_user_id: text.meta({ description: "The client's own id of this user" }),
  email: text,
})
export const login = z.strictObject({ at: time, ip: text, user_agent: text })
export const subscription = z.strictObject({
  id: z.uuid(),
  plan_id: text,
  plan_name: text,
  status: z
    .enum(['incomplete', 'trialing', 'active', 'past_due', 'unpaid', 'paused', 'cancelled', 'expired'])
    .nullable(),
  quantity,
  amount: minor.meta({ description: 'Minor units, per unit' }),
  currency,
  current_period_start: time.nullable(),
  current_period_end: time.nullable(),
  cancel_at: time.nullable(),
  canceled_at: time.nullable(),
})
/** What the plan was before it was changed. */
export const previous = z.strictObject({ plan_id: text, plan_name: text, quantity, amount: minor })
export const teamMember = z.strictObject({ id: z.string(), email: text, role: text })
export const tos = z.strictObject({ version: text, accepted_at: time, ip: text })
export const usage = z.strictObject({
  metric: z.string(),
  value: z.number(),
  unit: text,
  period_start: time.nullable(),
  period_end: time.nullable(),
})
export const invoice = z.strictObject({
  id: z.uuid(),
  number: text,
  status: z.enum(['draft', 'open', 'paid', 'uncollectible', 'void']).nullable(),
  amount_due: minor,
  currency,
})

/** A body: key order is part of the contract. */
const bodySchema = <T extends string, D extends z.ZodRawShape>(types: readonly [T, ...T[]], data: D) =>
  z.strictObject({
    event: z.enum(types),
    timestamp: time.meta({ description: 'When it happened, the same as in X-Florentin-Timestamp' }),
    data: z.strictObject(data),
  })

const planChangeTypes = ['subscription.upgraded', 'subscription.downgraded'] as const
export const florentinAccount = bodySchema(['account.created'], { account })
export const florentinLogin = bodySchema(['user.login'], { user, login })
export const florentinSubscription = bodySchema(['subscription.purchased', 'subscription.cancelled'], { subscription })
export const florentinPlanChange = bodySchema(planChangeTypes, { subscription, previous })
export const florentinInvoice = bodySchema(['invoice.created'], { invoice })
export const florentinTeamMember = bodySchema(['team_member.added'], { team_member: teamMember })
export const florentinTos = bodySchema(['tos.accepted'], { tos })
export const florentinUsage = bodySchema(['usage.metrics_updated'], { usage })

/** In the order of the public page. */
const schemas: Readonly<Record<string, z.ZodType>> = {
  'account.created': florentinAccount,
  'user.login': florentinLogin,
  'subscription.purchased': bodySchema(['subscription.purchased'], { subscription }),
  'invoice.created': florentinInvoice,
  'subscription.upgraded': bodySchema(['subscription.upgraded'], { subscription, previous }),
  'subscription.downgraded': bodySchema(['subscription.downgraded'], { subscription, previous }),
  'subscription.cancelled': bodySchema(['subscription.cancelled'], { subscription }),
  'team_member.added': florentinTeamMember,
  'tos.accepted': florentinTos,
  'usage.metrics_updated': florentinUsage,
}

/**
 * The headers of a Florentin delivery. The signature is HMAC-SHA256 of the raw body alone, keyed by the whole secret
 * string. It has room for one secret: while several are live the attempts take turns, newest first, so that a receiver which
 * still knows the older one takes the next try. Throws when there is no secret. Rule: docs/contracts/florentin.md 1.
 */
export function florentinHeaders({
  deliveryId,
  eventType,
  attempt,
  wireBody,
  secrets,
}: AttemptToSend): Record<string, string> {
  const secret = secrets[(attempt - 1) % secrets.length]
  if (secret === undefined) throw new Error('a delivery cannot be signed without a secret')
  return {
    'Content-Type': 'application/json',
    'User-Agent': USER_AGENT,
    'X-Florentin-Event': eventType,
    'X-Florentin-Timestamp': timestampOf(wireBody),
    'X-Florentin-Signature': `sha256=${createHmac('sha256', secret).update(wireBody).digest('hex')}`,
    'X-Florentin-Delivery-Id': deliveryId,
  }
}

/** The body's second member: bodies are built in the order of the schema. */
const timestampOf = (wireBody: string): string => /^\{"event":"[^"]*","timestamp":"([^"]*)"/.exec(wireBody)?.[1] ?? ''

const wireHeaders = z.strictObject({
  'Content-Type': z.literal('application/json'),
  'User-Agent': z.string(),
  'X-Florentin-Event': z.enum(Object.keys(schemas)),
  'X-Florentin-Timestamp': time.meta({ description: "The body's timestamp" }),
  'X-Florentin-Signature': z.string().meta({ description: 'sha256=<hex>: HMAC-SHA256 of the raw body' }),
  'X-Florentin-Delivery-Id': z.uuid().meta({ description: 'The same on every retry, another for every endpoint' }),
})

export const florentin: Contract = {
  name: 'florentin.v1',
  eventTypes: Object.keys(schemas),
  schemas,
  wireSchemas: describeSchemas(schemas, florentinMeanings),
  wireHeaders,
  // 4 attempts in all, to the second.
  retrySchedule: [30, 120, 300],
  jitter: 0,
  signatureHeader: 'X-Florentin-Signature',
  newSecret: newFloSecret,
  secretTrouble: floSecretTrouble,
  wireBody: (_deliveryId, body) => body,
  headers: florentinHeaders,
  example: florentinExample,
}
