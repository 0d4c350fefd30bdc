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
    '`failed`: events whose delivery to this endpoint ended as `failed` or `skipped` and was not delivered afterwards. `missing`: events that the endpoint subscribes to but was never sent, from before it existed or while it was disabled. `all`: all events that it subscribes to.',
})

const expired = z.number().int().meta({
  description: 'Events that match, but whose bodies are past their retention.',
})

const askedFields = {
  endpointId: id,
  mode,
  since: replyTime.nullable().meta({ description: 'Events created at this time or later; null: from the first one.' }),
  until: replyTime
    .nullable()
    .meta({ description: 'Events created before this time; null: before the replay was requested.' }),
  eventTypes: z.array(z.string()).nullable().meta({ description: 'null: all that the endpoint subscribes to.' }),
}

const Replay = z
  .strictObject({
    id,
    clientId: id,
    ...askedFields,
    state: z.enum(REPLAY_STATES),
    found: z.number().int().nullable().meta({ description: 'The number of events to replay; null while counting.' }),
    replayed: z.number().int().meta({ description: 'Deliveries created so far.' }),
    skipped: z.number().int().meta({
      description:
        'Events that were found but, when their turn came, had been delivered otherwise or were past their retention.',
    }),
    expired,
    progress: z.number().min(0).max(1).meta({ description: 'The share of the found events that has been replayed.' }),
    reason: z
      .strictObject({ code: z.string(), message: z.string() })
      .nullable()
      .meta({ description: 'Why the replay failed.' }),
    createdAt: replyTime,
    finishedAt: replyTime.nullable(),
  })
  .meta({ id: 'Replay', description: 'A run that delivers past events to one endpoint.' })

const ReplayWithDeliveries = Replay.extend({
  deliveries: z
    .record(z.string(), z.number().int())
    .meta({ description: 'The number of its deliveries in each state.', example: { delivered: 120, pending: 14 } }),
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
      .meta({ description: 'The first events, at most 10, in the order in which they would be sent.' }),
    countedUntil: replyTime.nullable().meta({
      description: 'If counting took too long, events created later were not counted; null: all were counted.',
    }),
  })
  .meta({ id: 'ReplayPreview', description: 'What a replay would send. Nothing is stored.' })

/** /v1/replays: send past events to an endpoint again. */
export const replayRoutes = (
  deps: Pick<ApiDeps, 'keyRing' | 'startReplay' | 'previewReplay' | 'cancelReplay' | 'wakes'>,
): Route[] => [
  resourceRoute('POST /v1/replays', {
    summary: 'Replay events to an endpoint',
    description:
      "Each event becomes a new delivery, in the original order, with its own id and the endpoint's full retry schedule; a pending delivery of the same event is cancelled. Deliveries are created at the endpoint's pace, so that live deliveries are hardly delayed.",
    ids: { endpointId: 'endpoint' },
    body: z.strictObject({
      clientId,
      endpointId: idReference,
      mode,
      since: requestTime
        .optional()
        .meta({ description: 'Events created at this time or later. Default: from the first one.' }),
      until: requestTime.optional().meta({ description: 'Events created before this time. Default: now.' }),
      eventTypes: z
        .array(textUpTo(100))
        .min(1)
        .max(100)
        .optional()
        .meta({
          description: 'Names or families, out of those that the endpoint subscribes to.',
          example: ['invoice.*'],
        }),
      dryRun: z.boolean().optional().meta({ description: 'true: only counts the events and answers 200.' }),
    }),
    reply: ReplayWithDeliveries,
    storesNothing: (body) => (body as { dryRun?: boolean }).dryRun === true,
    status: 202,
    otherwise: { status: 200, reply: ReplayPreview, when: 'With `dryRun`: what would be sent. Nothing is stored.' },
    async answerCall({ db, clientId, body, afterCommit }) {
      const { clientId: _, dryRun, ...request } = body
      if (dryRun) {
        const preview = await deps.previewReplay(db, clientId, request)
        const { endpointId, mode, eventTypes = null } = request
        return { status: 200, data: { dryRun, clientId, endpointId, mode, eventTypes, ...preview } }
      }
      const id = await deps.startReplay(db, clientId, request)
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
    summary: 'Get a replay, with its progress and the states of its deliveries',
    ids: { id: 'replay' },
    reply: ReplayWithDeliveries,
    answerCall: async ({ db, clientId, params }) => ({ data: await readReplay(db, clientId, params.id) }),
  }),
  resourceRoute('POST /v1/replays/{id}/cancel', {
    summary: 'Cancel a replay',
    description:
      'No more deliveries are created, and those that wait are cancelled, except deliveries that replaced a pending one. A replay that has ended does not change.',
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
