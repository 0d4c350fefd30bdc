import { z } from 'zod'
import type { Contract } from '../../contracts/contract.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import { openHeaders, type StoredHeaders, type StoredTls } from '../../secrets/sealed-headers.ts'
import { clientId, eventType, id, metadata, replyTime, textUpTo } from '../http/field-schemas.ts'
import { endpointHeaders, headersReply, hideSensitiveValues } from './endpoint-headers.ts'
import { endpointTls, showTls, tlsReply } from './endpoint-tls.ts'
import { MAX_URL_CHARS } from './endpoint-url.ts'
import { customSecret, signature } from './signing-secrets.ts'

const WEEK_SECONDS = 604_800

const eventTypes = z
  .array(textUpTo(100))
  .min(1)
  .max(100)
  .nullable()
  .meta({ description: 'Names such as `invoice.paid` or families such as `subscription.*`; null: all.' })
const retrySchedule = z
  .array(z.number().int().min(0).max(WEEK_SECONDS))
  .max(20)
  .nullable()
  .meta({ description: "Seconds before the 2nd, 3rd, ... attempt; null: the contract's.", example: [5, 30, 300] })

const rateLimit = z
  .strictObject({ count: z.number().int().min(1).max(1000), seconds: z.number().int().min(1).max(3600) })
  .nullable()
  .meta({ description: 'At most `count` attempts start in any window of `seconds`; null: no limit.' })

const ordering = z.enum(['none', 'user']).meta({
  description:
    "`user`: an event is sent once all earlier events of its user were delivered or have failed for good; other users' events are not held up. Default `none`.",
})

/** What a PATCH may change, and a POST may set as well. */
const changeableFields = {
  url: textUpTo(MAX_URL_CHARS).meta({
    description: 'https://; http:// only to addresses that FLO_ALLOWED_SUBNETS opens.',
    example: 'https://example.com/flo',
  }),
  eventTypes: eventTypes.optional(),
  description: textUpTo(500).nullable().optional(),
  metadata: metadata.optional(),
  headers: endpointHeaders.optional(),
  tls: endpointTls.optional(),
  retrySchedule: retrySchedule.optional(),
  timeoutSeconds: z
    .number()
    .int()
    .min(1)
    .max(60)
    .optional()
    .meta({ description: 'The time limit of a whole attempt; default 15.' }),
  maxInFlight: z
    .number()
    .int()
    .min(1)
    .max(256)
    .optional()
    .meta({ description: 'The most attempts that run at the same time; default 10.' }),
  rateLimit: rateLimit.optional(),
  ordering: ordering.optional(),
}

/** The name of an offered contract. The first one is the default. */
function contractName(contracts: Readonly<Record<string, Contract>>) {
  const names = Object.keys(contracts) as [string, ...string[]]
  return z.enum(names).default(names[0])
}

export const newEndpointBody = (contracts: Readonly<Record<string, Contract>>) =>
  z.strictObject({
    clientId,
    contract: contractName(contracts),
    signature: signature.default('hmac'),
    secret: customSecret.optional(),
    ...changeableFields,
  })

export const changedEndpointBody = z.strictObject({ ...changeableFields, url: changeableFields.url.optional() })

/** An endpoint in a reply. */
export const endpointReply = z
  .strictObject({
    id,
    clientId: id,
    url: z.string(),
    contract: z.string(),
    signature,
    publicKey: z.string().nullable().meta({ description: 'Verifies an `ed25519` signature: `whpk_` and base64.' }),
    eventTypes: z.array(eventType).nullable(),
    description: z.string().nullable(),
    metadata: z.record(z.string(), z.string()),
    headers: headersReply,
    tls: tlsReply,
    retrySchedule: z.array(z.number().int()).nullable(),
    timeoutSeconds: z.number().int(),
    maxInFlight: z.number().int(),
    rateLimit,
    ordering,
    breaker: z
      .strictObject({
        state: z.enum(['closed', 'open']),
        openedAt: replyTime.nullable(),
        nextProbeAt: replyTime.nullable(),
      })
      .meta({
        description:
          'The circuit breaker. It is open after too many failures: deliveries wait and use up no attempts, one probe at a time is sent, and a success closes it.',
      }),
    failingSince: replyTime.nullable().meta({
      description: 'Every attempt since then has failed; null: the last attempt succeeded, or there is none.',
    }),
    status: z.enum(['enabled', 'disabled']),
    disabledReason: z.enum(['manual', 'gone', 'failing']).nullable(),
    disabledAt: replyTime.nullable(),
    createdAt: replyTime,
    updatedAt: replyTime,
  })
  .meta({ id: 'Endpoint', description: "A client's URL that events are delivered to." })

export const ENDPOINT_COLUMNS = `t.id, t.client_id as "clientId", t.url, t.contract,
  t.secrets->0->>'publicKey' as "publicKey", case when t.secrets->0 ? 'publicKey' then 'ed25519' else 'hmac' end as signature,
  t.event_types as "eventTypes", t.description,
  t.metadata, t.headers, t.sealed_headers as "sealedHeaders", t.tls, t.retry_schedule as "retrySchedule",
  t.timeout_seconds as "timeoutSeconds", t.max_in_flight as "maxInFlight", t.rate_limit as "rateLimit", t.ordering, t.status,
  t.disabled_reason as "disabledReason", t.disabled_at as "disabledAt", t.created_at as "createdAt", t.updated_at as "updatedAt",
  (select jsonb_build_object('openedAt', h.opened_at, 'nextProbeAt', h.probe_at, 'failingSince', h.failing_since)
     from endpoint_health h where h.client_id = t.client_id and h.endpoint_id = t.id) as health`

/** A row of ENDPOINT_COLUMNS, as far as the code reads it. */
export interface EndpointRow extends StoredHeaders {
  id: string
  clientId: string
  url: string
  contract: string
  status: 'enabled' | 'disabled'
  tls: StoredTls | null
  health: Record<'openedAt' | 'nextProbeAt' | 'failingSince', string | null> | null
}

/** A row of ENDPOINT_COLUMNS as a reply shows it. */
export const showEndpoint = (
  keyRing: Pick<KeyRing, 'decrypt'>,
  { headers, sealedHeaders, tls, health, ...row }: EndpointRow,
) => ({
  ...row,
  tls: showTls(tls),
  headers: hideSensitiveValues(openHeaders(keyRing, { headers, sealedHeaders })),
  breaker: {
    state: health?.openedAt ? 'open' : 'closed',
    openedAt: dateOf(health?.openedAt),
    nextProbeAt: dateOf(health?.nextProbeAt),
  },
  failingSince: dateOf(health?.failingSince),
})

const dateOf = (text: string | null | undefined) => (text ? new Date(text) : null)
