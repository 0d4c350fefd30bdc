import { isIP } from 'node:net'
import { z } from 'zod'

// Events that Stripe does not know: the provider's own application publishes them (POST /v1/app-events), and they take the way
// of all others. The shapes of `data` are those of Florentin's contract, without the resource's own name around them.

const textUpTo = (max: number) => z.string().min(1).max(max)

/** ISO 8601 with any offset, kept as UTC with milliseconds. PostgreSQL and JavaScript both write the years 1 to 9999. */
export const isoTimestamp = z.iso
  .datetime({ offset: true })
  .refine(
    (given) => /^\d{4}-/.test(toUtc(given)) && !toUtc(given).startsWith('0000'),
    'must lie in the years 1 to 9999',
  )
  .overwrite(toUtc)
  .meta({
    description: 'ISO 8601 with an offset, kept as UTC with milliseconds.',
    example: '2026-06-06T14:00:00+02:00',
    override: { format: 'date-time', pattern: undefined },
  })

function toUtc(given: string): string {
  const at = new Date(given)
  return Number.isNaN(at.getTime()) ? given : at.toISOString()
}

const ip = z
  // A zone (fe80::1%eth0) means something on one machine alone.
  .stringFormat('ip', (given) => isIP(given) > 0 && !given.includes('%'), { error: 'must be an IPv4 or IPv6 address' })
  .meta({
    description: 'An IPv4 or IPv6 address.',
    example: '203.0.113.7',
    override: { format: undefined, anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] },
  })
  .nullable()
const email = z
  .string()
  .max(320)
  .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address')
  .meta({ example: 'ada@example.com' })

/** The `data` of each type. What may be unknown is null and still there, so that nothing is left out by mistake. */
export const appEvents = {
  'user.login': z.strictObject({ at: isoTimestamp, ip, user_agent: z.string().max(4096).nullable() }),
  'team_member.added': z.strictObject({ id: textUpTo(255), email, role: textUpTo(200) }),
  'usage.metrics_updated': z.strictObject({
    metric: textUpTo(200),
    value: z.number(),
    unit: textUpTo(200).nullable(),
    period_start: isoTimestamp.nullable(),
    period_end: isoTimestamp.nullable(),
  }),
  'tos.accepted': z.strictObject({ version: textUpTo(200).nullable(), accepted_at: isoTimestamp, ip }),
  'account.created': z.strictObject({
    id: textUpTo(255).optional().meta({ description: "The account's own id; left out: the Flo user's stands in." }),
    email: email.nullable(),
    name: textUpTo(500).nullable(),
    created_at: isoTimestamp,
  }),
} as const satisfies Record<string, z.ZodObject>

export type AppEventType = keyof typeof appEvents
export type AppEventData<Type extends AppEventType> = z.infer<(typeof appEvents)[Type]>

/** One event as it is kept: whose, what, and when it happened. */
export interface AppEvent {
  /** A UUID, the identity of the event: once more with it is a duplicate. */
  id: string
  type: AppEventType
  /** At least one is known. */
  user: { id: string | null; clientUserId: string | null }
  data: AppEventData<AppEventType>
  occurredAt: Date
}

/** The source event that an app event has become; `duplicate`: it was there before. */
export interface StoredAppEvent {
  id: string
  receivedAt: Date
  duplicate: boolean
}
