import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, id, idReference, pageQuery, replyTime, requestTime, textUpTo } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { listRoute, type Route, resourceRoute } from '../http/route.ts'

const STATES = ['running', 'completed', 'failed', 'cancelled'] as const

const Counts = z
  .strictObject({
    listed: z.number().int(),
    known: z.number().int().meta({ description: 'Had arrived before.' }),
    new: z.number().int().meta({ description: 'Had not: received by this backfill.' }),
    refused: z.number().int().meta({ description: 'Could not be stored.' }),
  })
  .meta({ id: 'BackfillCounts' })

const Backfill = z
  .strictObject({
    id,
    clientId: id,
    sourceId: id,
    account: z.string().nullable(),
    since: replyTime,
    until: replyTime,
    types: z.array(z.string()).nullable().meta({ description: 'null: all.' }),
    deliverySuccess: z.boolean().nullable().meta({ description: 'null: whether or not Stripe could deliver them.' }),
    state: z.enum(STATES),
    readUntil: replyTime.meta({ description: 'What was created before is read.' }),
    progress: z.number().min(0).max(1).meta({ description: 'The part of the time that is read.' }),
    counts: Counts,
    byType: z.record(z.string(), Counts),
    reason: z
      .strictObject({ code: z.string(), message: z.string() })
      .nullable()
      .meta({ description: 'Why it has failed, or what it waits for.' }),
    createdAt: replyTime,
    finishedAt: replyTime.nullable(),
  })
  .meta({ id: 'Backfill', description: "Stripe's own list of events read anew." })

const account = z
  .string()
  .regex(/^acct_[A-Za-z0-9]{1,100}$/, 'must be the id of a connected account')
  .meta({ example: 'acct_1TKx2u' })

const COLUMNS = `t.id, t.client_id as "clientId", t.source_id as "sourceId", nullif(t.account, '') as account, t.since, t.until,
  t.types, t.delivery_success as "deliverySuccess", t.state, t.read_until as "readUntil", t.counts,
  extract(epoch from t.read_until - t.since)::float8 / extract(epoch from t.until - t.since)::float8 as progress,
  case when t.reason_code is not null then jsonb_build_object('code', t.reason_code, 'message', t.reason_message) end as reason,
  t.created_at as "createdAt", t.finished_at as "finishedAt"`

type BackfillRow = { counts: Record<string, z.infer<typeof Counts>> }

const showBackfill = ({ counts: byType, ...row }: BackfillRow) => {
  const sumOf = (of: keyof z.infer<typeof Counts>) =>
    Object.values(byType).reduce((total, count) => total + count[of], 0)
  return {
    ...row,
    counts: { listed: sumOf('listed'), known: sumOf('known'), new: sumOf('new'), refused: sumOf('refused') },
    byType,
  }
}
const readBackfill = async (db: Queryable, clientId: string, id: string) => {
  const { rows } = await db.query<BackfillRow>(`select ${COLUMNS} from backfills t where client_id = $1 and id = $2`, [
    clientId,
    id,
  ])
  return showBackfill(rows[0]!)
}

/** /v1/backfills: what did not arrive is read from Stripe's own list. */
export const backfillRoutes = (
  deps: Pick<ApiDeps, 'keyRing' | 'now' | 'startBackfill' | 'cancelBackfill' | 'wakes'>,
): Route[] => [
  resourceRoute('POST /v1/backfills', {
    summary: "Read Stripe's list of events",
    description:
      'Stripe keeps events for 30 days. What has arrived before is known by its id; what has not is received as if it had just come.',
    ids: { sourceId: 'source' },
    body: z.strictObject({
      clientId,
      sourceId: idReference,
      since: requestTime.meta({ description: '30 days ago at most.' }),
      until: requestTime.optional().meta({ description: 'Left out: now.' }),
      deliverySuccess: z
        .boolean()
        .optional()
        .meta({ description: 'false: only what Stripe could not deliver to some webhook of the account.' }),
      types: z.array(textUpTo(200)).min(1).max(20).optional().meta({ description: "20 at most, Stripe's limit." }),
      account: account.optional().meta({ description: 'A connected account: its events instead of the own.' }),
    }),
    reply: Backfill,
    status: 202,
    async answerCall({ db, clientId, body, afterCommit }) {
      const { clientId: _, ...asked } = body
      const id = await deps.startBackfill(db, clientId, asked, deps.now())
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
    summary: 'See how far a backfill is, and what was missing',
    ids: { id: 'backfill' },
    reply: Backfill,
    answerCall: async ({ db, clientId, params }) => ({ data: await readBackfill(db, clientId, params.id) }),
  }),
  resourceRoute('POST /v1/backfills/{id}/cancel', {
    summary: 'Stop a backfill',
    description: 'What it has received stays. One that has ended stays as it is.',
    ids: { id: 'backfill' },
    reply: Backfill,
    async answerCall({ db, clientId, params }) {
      await deps.cancelBackfill(db, clientId, params.id)
      return { data: await readBackfill(db, clientId, params.id) }
    },
  }),
]
