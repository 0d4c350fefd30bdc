import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { ensureOperatorClient } from '../../database/operator-client.ts'
import { firstRow } from '../../database/rows.ts'
import { newId } from '../../domain/ids.ts'
import type { Routing } from '../../domain/routing.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, id, idReference, name, pageQuery, replyTime, textUpTo } from '../http/field-schemas.ts'
import { OWNER_COLUMN, ownerId } from '../http/owner.ts'
import { readPage } from '../http/page.ts'
import { anyOwnerRoute, listRoute, type Route, resourceRoute } from '../http/route.ts'
import { updateSet } from '../http/update-set.ts'
import {
  assertMayRoute,
  assertRoutes,
  lookAtWaitingEvents,
  RoutingBody,
  RoutingReply,
  routingOf,
  showRouting,
} from './source-routing.ts'

const Hydration = z
  .strictObject({
    state: z
      .enum(['off', 'on', 'paused'])
      .meta({ description: '`off`: no API key. `paused`: calls to Stripe fail, and events are processed without it.' }),
    pausedUntil: replyTime.nullable(),
    reason: z
      .strictObject({ code: z.string(), message: z.string() })
      .nullable()
      .meta({ description: 'Why the last call failed.' }),
  })
  .meta({ id: 'Hydration', description: 'Whether the gateway fetches from Stripe what webhooks do not carry.' })

const Source = z
  .strictObject({
    id,
    clientId: ownerId,
    kind: z.enum(['stripe']),
    name: z.string().nullable(),
    routing: RoutingReply,
    webhookUrl: z.string().meta({ description: 'The URL to enter in Stripe.' }),
    signingSecretCount: z
      .number()
      .int()
      .meta({ description: 'The number of signing secrets in use. The secrets are never returned.' }),
    hasApiKey: z.boolean(),
    apiVersion: z.string().nullable().meta({
      description: 'The version in which objects are fetched; null: the version of the event that needs them.',
    }),
    planRanks: z.record(z.string(), z.number()),
    signatureFailingSince: replyTime.nullable().meta({
      description: 'Since when webhooks have been refused for their signatures; null: the last signature was valid.',
    }),
    hydration: Hydration,
    createdAt: replyTime,
  })
  .meta({
    id: 'Source',
    description:
      'Where events come from: one webhook of one Stripe account, or of all accounts that are connected to it.',
  })

// Stripe's secrets are ASCII, but the whole string is the key, whatever it contains.
const signingSecret = z
  .string()
  .max(500)
  .regex(/^whsec_[^\s\p{C}]+$/u, 'must be whsec_ and printable characters')
  .meta({ example: 'whsec_example' })
const signingSecrets = z
  .array(signingSecret)
  .min(1)
  .max(10)
  .meta({ description: 'All secrets in use: the new and the old one during a rotation.' })
const apiVersion = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$/, 'must be a Stripe API version such as 2026-10-28.endive')
  .meta({
    description: 'The API version of the webhook, for events that do not state theirs.',
    example: '2026-10-28.endive',
  })
const planRanks = z
  .record(textUpTo(255), z.number())
  .refine((ranks) => Object.keys(ranks).length <= 1000, 'must have 1000 plans or fewer')
  .meta({
    description:
      'The ranks of plans whose prices cannot be compared, such as tiered and metered ones, by price or plan id. A change to a higher rank is an upgrade.',
    example: { price_starter: 1, price_pro: 2 },
  })
const apiKey = textUpTo(500).meta({ description: 'A Stripe API key, for reading objects that events only refer to.' })

const changedSourceBody = z.strictObject({
  name: name.nullable().optional(),
  signingSecrets: signingSecrets.optional(),
  apiKey: apiKey.nullable().optional(),
  apiVersion: apiVersion.nullable().optional(),
  planRanks: planRanks.optional(),
  routing: RoutingBody.optional(),
})
const newSourceBody = changedSourceBody.extend({
  clientId: idReference.optional().meta({
    description:
      "The client that the source belongs to. It may be left out with a client's key; with an operator's key it is required, unless the source has `routing`: that one belongs to no client.",
  }),
  kind: z.enum(['stripe']).default('stripe'),
  signingSecrets,
})

/** /v1/sources. Secrets are never returned. A change applies to the next request that Stripe sends. */
export const sourceRoutes = (deps: Pick<ApiDeps, 'keyRing' | 'publicUrl' | 'forgetFailures' | 'wakes'>): Route[] => [
  anyOwnerRoute('POST /v1/sources', {
    summary: 'Create a source',
    description:
      "One with `routing` is the operator's own, for operators' keys alone: each of its events is given to the client whose it is.",
    body: newSourceBody,
    reply: Source,
    status: 201,
    async answerCall({ db, caller, clientId, body }) {
      const id = newId()
      const owner = assertMayRoute({ caller, clientId, routing: body.routing }) ?? (await ensureOperatorClient(db))
      await db.query(
        `insert into sources (id, client_id, kind, name, signing_secrets, api_key, api_version, plan_ranks, routing)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
        [
          id,
          owner,
          body.kind,
          body.name,
          sealSecrets(deps.keyRing, body.signingSecrets),
          body.apiKey ? deps.keyRing.encrypt(body.apiKey) : null,
          body.apiVersion,
          body.planRanks ?? {},
          body.routing && JSON.stringify(routingOf(body.routing)),
        ],
      )
      return { data: await readSource(deps, db, owner, id) }
    },
  }),
  listRoute('GET /v1/sources', {
    summary: 'List sources',
    query: z.strictObject({ clientId, ...pageQuery }),
    reply: Source,
    async answerCall(call) {
      const { data, meta } = await readPage<SourceRow>(deps, call, {
        list: 'sources',
        columns: COLUMNS,
        table: 'sources',
        joins: JOINS,
      })
      return { data: data.map((row) => showSource(deps, row)), meta }
    },
  }),
  resourceRoute('GET /v1/sources/{id}', {
    summary: 'Get a source',
    ids: { id: 'source' },
    reply: Source,
    answerCall: async ({ db, clientId, params }) => ({ data: await readSource(deps, db, clientId, params.id) }),
  }),
  resourceRoute('PATCH /v1/sources/{id}', {
    summary: 'Change a source',
    ids: { id: 'source' },
    body: changedSourceBody,
    reply: Source,
    async answerCall({ db, clientId, params, body, afterCommit }) {
      if (body.routing) assertRoutes(clientId, 'routing')
      const set = updateSet(
        {
          name: body.name,
          signing_secrets: body.signingSecrets && sealSecrets(deps.keyRing, body.signingSecrets),
          api_key: body.apiKey && deps.keyRing.encrypt(body.apiKey),
          api_version: body.apiVersion,
          plan_ranks: body.planRanks,
          routing: body.routing && JSON.stringify(routingOf(body.routing)),
        },
        3,
      )
      if (set)
        await db.query(`update sources set ${set.sql} where client_id = $1 and id = $2`, [
          clientId,
          params.id,
          ...set.values,
        ])
      if (body.apiKey || body.apiVersion !== undefined) {
        await deps.forgetFailures(db, clientId, params.id)
        afterCommit(() => deps.wakes.hydrate(clientId))
      }
      if (body.routing)
        await lookAtWaitingEvents({ db, wakes: deps.wakes, afterCommit }, { clientId, sourceId: params.id })
      return { data: await readSource(deps, db, clientId, params.id) }
    },
  }),
]

const COLUMNS = `t.id, ${OWNER_COLUMN}, t.kind, t.name, t.routing, cardinality(t.signing_secrets) as "signingSecretCount",
  t.api_key is not null as "hasApiKey", t.api_version as "apiVersion", t.plan_ranks as "planRanks", t.created_at as "createdAt",
  t.signature_failing_at as "signatureFailingSince",
  case when h.open_until > now() then h.open_until end as "pausedUntil", h.reason_code as code, h.reason_message as message`
const JOINS = 'left join hydration_circuits h on h.client_id = t.client_id and h.source_id = t.id'

interface SourceRow {
  id: string
  routing: Routing | null
  hasApiKey: boolean
  pausedUntil: Date | null
  code: string | null
  message: string | null
}

/** A row of COLUMNS as a reply shows it. */
const showSource = ({ publicUrl }: Pick<ApiDeps, 'publicUrl'>, { pausedUntil, code, message, ...row }: SourceRow) => ({
  ...row,
  routing: showRouting(row.routing),
  webhookUrl: `${publicUrl()}/webhooks/stripe/${row.id}`,
  hydration: row.hasApiKey
    ? { state: pausedUntil ? 'paused' : 'on', pausedUntil, reason: code && { code, message } }
    : { state: 'off', pausedUntil: null, reason: null },
})

async function readSource(deps: Pick<ApiDeps, 'publicUrl'>, db: Queryable, clientId: string, id: string) {
  const { rows } = await db.query<SourceRow>(
    `select ${COLUMNS} from sources t ${JOINS} where t.client_id = $1 and t.id = $2`,
    [clientId, id],
  )
  return showSource(deps, firstRow(rows))
}

const sealSecrets = ({ encrypt }: Pick<KeyRing, 'encrypt'>, secrets: readonly string[]): string[] =>
  [...new Set(secrets)].map(encrypt)
