import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { FANOUT_ORIGIN } from '../../domain/ids.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import {
  clientId,
  eventType,
  id,
  idReference,
  pageQuery,
  replyTime,
  requestTime,
  textUpTo,
} from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { listRoute, type Route, resourceRoute } from '../http/route.ts'

const REPLAY_STATES = ['running', 'done', 'cancelled', 'failed'] as const
const MODES = ['failed', 'missing', 'all'] as const

const mode = z.enum(MODES).meta({
  description:
    '`failed`: what ended `failed` or `skipped` here and was not delivered later. `missing`: what the endpoint would take and was never tried here: from before it existed, or while it was disabled. `all`: everything that it would take.',
})

const expired = z.number().int().meta({
  description: 'Events that would be replayed too, but for their bodies, which are past their retention.',
})

const askedFields = {
  endpointId: id,
  mode,
  since: replyTime.nullable().meta({ description: 'Events made then or later; null: from the first on.' }),
  until: replyTime.nullable().meta({ description: 'Events made before; null: all until the replay was asked for.' }),
  eventTypes: z.array(z.string()).nullable().meta({ description: 'null: all that the endpoint takes.' }),
}

const Replay = z
  .strictObject({
    id,
    clientId: id,
    ...askedFields,
    state: z.enum(REPLAY_STATES),
    found: z.number().int().nullable().meta({ description: 'Events to replay; null: still being counted.' }),
    replayed: z.number().int().meta({ description: 'Deliveries made so far.' }),
    skipped: z.number().int().meta({
      description: 'Found, but delivered by something else, or past their retention, when their turn came.',
    }),
    expired,
    progress: z.number().min(0).max(1).meta({ description: 'The part of what was found that is replayed.' }),
    reason: z
      .strictObject({ code: z.string(), message: z.string() })
      .nullable()
      .meta({ description: 'Why it failed.' }),
    createdAt: replyTime,
    finishedAt: replyTime.nullable(),
  })
  .meta({ id: 'Replay', description: 'Events delivered to an endpoint once more, or at last.' })

const ReplayWithDeliveries = Replay.extend({
  deliveries: z
    .record(z.string(), z.number().int())
    .meta({ description: 'How many of its deliveries are in which state.', example: { delivered: 120, pending: 14 } }),
}).meta({ id: 'ReplayWithDeliveries' })

const ReplayPreview = z
  .strictObject({
    dryRun: z.literal(true),
    clientId: id,
    ...askedFields,
    count: z.number().int(),
    expired,
    byType: z.record(z.string(), z.number().int()),
    sample: z
      .array(z.strictObject({ eventId: id, eventType, createdAt: replyTime }))
      .meta({ description: 'The first ones, 10 at most, in the order they would be sent in.' }),
    countedUntil: replyTime
      .nullable()
      .meta({ description: 'Counting took too long and ended at events made then; null: all are counted.' }),
  })
  .meta({ id: 'ReplayPreview', description: 'What a replay would send. Nothing is stored.' })

const COLUMNS = `t.id, t.client_id as "clientId", t.endpoint_id as "endpointId", t.mode, t.since, t.until,
  t.event_types as "eventTypes", t.state, t.found, t.replayed, t.skipped, t.expired,
  case when t.state = 'done' then 1 when t.found > 0 then least(1, t.replayed::float8 / t.found) else 0 end as progress,
  case when t.reason_code is not null then jsonb_build_object('code', t.reason_code, 'message', t.reason_message) end as reason,
  t.created_at as "createdAt", t.finished_at as "finishedAt"`

async function readReplay(db: Queryable, clientId: string, id: string) {
  const { rows } = await db.query(
    `select ${COLUMNS}, (
       select coalesce(jsonb_object_agg(s.state, s.count), '{}')
         from (select state, count(*) from deliveries
                where client_id = $1 and origin = $2 and origin <> '${FANOUT_ORIGIN}' group by state) s) as deliveries
       from replays t where t.client_id = $1 and t.id = $2`,
    [clientId, id],
  )
  return rows[0]
}

/** /v1/replays: the events of an endpoint once more, as many as there are. */
export const replayRoutes = (
  deps: Pick<ApiDeps, 'keyRing' | 'startReplay' | 'previewReplay' | 'cancelReplay' | 'wakes'>,
): Route[] => [
  resourceRoute('POST /v1/replays', {
    summary: 'Replay events to an endpoint',
    description:
      "Each event becomes a new delivery with an id of its own and the endpoint's full schedule, in the original order; one of the same event that is still pending is cancelled. They are made as the endpoint takes them, so that live deliveries hardly wait.",
    ids: { endpointId: 'endpoint' },
    body: z.strictObject({
      clientId,
      endpointId: idReference,
      mode,
      since: requestTime.optional().meta({ description: 'Events made then or later. Left out: from the first on.' }),
      until: requestTime.optional().meta({ description: 'Events made before. Left out: until now.' }),
      eventTypes: z
        .array(textUpTo(100))
        .min(1)
        .max(100)
        .optional()
        .meta({ description: 'Names or families, of those that the endpoint takes.', example: ['invoice.*'] }),
      dryRun: z.boolean().optional().meta({ description: 'true: only count them. Answers 200.' }),
    }),
    reply: ReplayWithDeliveries,
    status: 202,
    otherwise: { status: 200, reply: ReplayPreview, when: 'With `dryRun`: what would be sent. Nothing is stored.' },
    async answerCall({ db, clientId, body, afterCommit }) {
      const { clientId: _, dryRun, ...asked } = body
      if (dryRun) {
        const preview = await deps.previewReplay(db, clientId, asked)
        const { endpointId, mode, eventTypes = null } = asked
        return { status: 200, data: { dryRun, clientId, endpointId, mode, eventTypes, ...preview } }
      }
      const id = await deps.startReplay(db, clientId, asked)
      afterCommit(() => deps.wakes.replay(clientId))
      return { data: await readReplay(db, clientId, id) }
    },
  }),
  listRoute('GET /v1/replays', {
    summary: 'List replays',
    ids: { endpointId: 'endpointEver' },
    query: z.strictObject({
      clientId,
      endpointId: idReference.optional(),
      state: z.enum(REPLAY_STATES).optional(),
      ...pageQuery,
    }),
    reply: Replay,
    answerCall: (call) =>
      readPage(deps, call, {
        list: 'replays',
        columns: COLUMNS,
        table: 'replays',
        filters: {
          endpointId: ['t.endpoint_id = ?', call.query.endpointId],
          state: ['t.state = ?', call.query.state],
        },
        indexedFilters: [],
      }),
  }),
  resourceRoute('GET /v1/replays/{id}', {
    summary: 'See how far a replay is, and what became of its deliveries',
    ids: { id: 'replay' },
    reply: ReplayWithDeliveries,
    answerCall: async ({ db, clientId, params }) => ({ data: await readReplay(db, clientId, params.id) }),
  }),
  resourceRoute('POST /v1/replays/{id}/cancel', {
    summary: 'Stop a replay',
    description:
      'What it has delivered stays delivered. Its deliveries that still wait are cancelled, but for those that took the place of one that was waiting before. A replay that has ended stays as it is.',
    ids: { id: 'replay' },
    reply: ReplayWithDeliveries,
    async answerCall({ db, clientId, params, afterCommit }) {
      await deps.cancelReplay(db, clientId, params.id)
      const data = await readReplay(db, clientId, params.id)
      afterCommit(() => deps.wakes.deliver(clientId, [data.endpointId], { reread: true }))
      return { data }
    },
  }),
]
