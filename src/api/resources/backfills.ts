import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { firstRow } from '../../database/rows.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import {
  clientId,
  connectedAccount,
  id,
  idReference,
  pageQuery,
  replyTime,
  requestTime,
  textUpTo,
} from '../http/field-schemas.ts'
import { OWNER_COLUMN, ownerId } from '../http/owner.ts'
import { readPage } from '../http/page.ts'
import { listRoute, type Route, resourceRoute } from '../http/route.ts'

const STATES = ['running', 'completed', 'failed', 'cancelled'] as const

const Counts = z
  .strictObject({
    listed: z.number().int(),
    known: z.number().int().meta({ description: 'Events that had already arrived.' }),
    new: z.number().int().meta({ description: 'Events that were missing, and that this backfill received.' }),
    refused: z.number().int().meta({ description: 'Events that could not be stored.' }),
  })
  .meta({ id: 'BackfillCounts' })

const Backfill = z
  .strictObject({
    id,
    clientId: ownerId,
    sourceId: id,
    account: z.string().nullable(),
    since: replyTime,
    until: replyTime,
    types: z.array(z.string()).nullable().meta({ description: 'null: all types.' }),
    deliverySuccess: z.boolean().nullable().meta({ description: 'null: whether or not Stripe delivered them.' }),
    state: z.enum(STATES),
    readUntil: replyTime.meta({ description: 'Events created before this time have been read.' }),
    progress: z.number().min(0).max(1).meta({ description: 'The share of the period that has been read.' }),
    counts: Counts,
    byType: z.record(z.string(), Counts),
    reason: z
      .strictObject({ code: z.string(), message: z.string() })
      .nullable()
      .meta({ description: 'Why it failed, or what it is waiting for.' }),
    createdAt: replyTime,
    finishedAt: replyTime.nullable(),
  })
  .meta({
    id: 'Backfill',
    description: "A run through Stripe's list of events that receives those that never arrived.",
  })

/** /v1/backfills: events that never arrived are read from Stripe's list. */
export const backfillRoutes = (
  deps: Pick<ApiDeps, 'keyRing' | 'now' | 'startBackfill' | 'cancelBackfill' | 'wakes'>,
): Route[] => [
  resourceRoute('POST /v1/backfills', {
    summary: "Start a backfill from Stripe's list of events",
    description:
      'Stripe keeps events for 30 days. Events that have arrived are recognised by their id; the others are received as if they had just arrived.',
    ids: { sourceId: 'source' },
    body: z.strictObject({
      clientId,
      sourceId: idReference,
      since: requestTime.meta({ description: 'At most 30 days ago.' }),
      until: requestTime.optional().meta({ description: 'Default: now.' }),
      deliverySuccess: z.boolean().optional().meta({
        description: 'false: only events that Stripe could not deliver to at least one webhook of the account.',
      }),
      types: z
        .array(textUpTo(200))
        .min(1)
        .max(20)
        .optional()
        .meta({ description: "At most 20 types, Stripe's limit." }),
      account: connectedAccount.optional().meta({ description: 'A connected account, whose events are read instead.' }),
    }),
    reply: Backfill,
    status: 202,
    async answerCall({ db, clientId, body, afterCommit }) {
      const { clientId: _, ...request } = body
      const id = await deps.startBackfill(db, clientId, request, deps.now())
      afterCommit(() => deps.wakes.backfill(clientId))
      return { data: await readBackfill(db, clientId, id) }
    },
  }),
  listRoute('GET /v1/backfills', {
    summary: 'List backfills',
    ids: { sourceId: 'source' },
    query: z.strictObject({
      clientId,
      sourceId: idReference.optional(),
      state: z.enum(STATES).optional(),
      ...pageQuery,
    }),
    reply: Backfill,
    async answerCall(call) {
      const { data, meta } = await readPage<BackfillRow>(deps, call, {
        list: 'backfills',
        columns: COLUMNS,
        table: 'backfills',
        filters: { sourceId: ['t.source_id = ?', call.query.sourceId], state: ['t.state = ?', call.query.state] },
        indexedFilters: [],
      })
      return { data: data.map(showBackfill), meta }
    },
  }),
  resourceRoute('GET /v1/backfills/{id}', {
    summary: 'Get a backfill, with its progress and what was missing',
    ids: { id: 'backfill' },
    reply: Backfill,
    answerCall: async ({ db, clientId, params }) => ({ data: await readBackfill(db, clientId, params.id) }),
  }),
  resourceRoute('POST /v1/backfills/{id}/cancel', {
    summary: 'Cancel a backfill',
    description: 'Events that it has received stay. A backfill that has ended does not change.',
    ids: { id: 'backfill' },
    reply: Backfill,
    async answerCall({ db, clientId, params }) {
      await deps.cancelBackfill(db, clientId, params.id)
      return { data: await readBackfill(db, clientId, params.id) }
    },
  }),
]

const COLUMNS = `t.id, ${OWNER_COLUMN}, t.source_id as "sourceId", nullif(t.account, '') as account, t.since, t.until,
  t.types, t.delivery_success as "deliverySuccess", t.state, t.read_until as "readUntil", t.counts,
  extract(epoch from t.read_until - t.since)::float8 / extract(epoch from t.until - t.since)::float8 as progress,
  case when t.reason_code is not null then jsonb_build_object('code', t.reason_code, 'message', t.reason_message) end as reason,
  t.created_at as "createdAt", t.finished_at as "finishedAt"`

interface BackfillRow {
  counts: Record<string, EventCounts>
}
type EventCounts = z.infer<typeof Counts>

function showBackfill({ counts: byType, ...row }: BackfillRow) {
  const sumOf = (name: keyof EventCounts) => Object.values(byType).reduce((total, counts) => total + counts[name], 0)
  return {
    ...row,
    counts: { listed: sumOf('listed'), known: sumOf('known'), new: sumOf('new'), refused: sumOf('refused') },
    byType,
  }
}

async function readBackfill(db: Queryable, clientId: string, id: string) {
  const { rows } = await db.query<BackfillRow>(`select ${COLUMNS} from backfills t where client_id = $1 and id = $2`, [
    clientId,
    id,
  ])
  return showBackfill(firstRow(rows))
}
