import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { GATEWAY_ITSELF, idTime, NO_SOURCE_EVENT } from '../../domain/ids.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, eventType, id, idReference, pageQuery, replyTime, windowQuery } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { listRoute, type Route, resourceRoute } from '../http/route.ts'

const Event = z
  .strictObject({
    id,
    clientId: id,
    sourceEventId: id.nullable().meta({
      description: 'The source event that it was made from; null for test events and operational events.',
    }),
    contract: z.string(),
    eventType,
    userId: id.nullable(),
    occurredAt: replyTime,
    createdAt: replyTime,
    deliveries: z
      .record(z.string(), z.number().int())
      .meta({ description: 'The number of its deliveries in each state.', example: { delivered: 2, pending: 1 } }),
  })
  .meta({ id: 'Event', description: 'Something that happened, as one contract describes it.' })

const EventWithBody = Event.extend({
  body: z.string().nullable().meta({
    description:
      "What is delivered, as JSON text, without Flo's `eventId`, which each delivery adds. null when it is past its retention.",
  }),
}).meta({ id: 'EventWithBody' })

/** /v1/events: what source events became. */
export const eventRoutes = (deps: Pick<ApiDeps, 'keyRing'>): Route[] => [
  listRoute('GET /v1/events', {
    summary: 'List events',
    ids: { sourceEventId: 'sourceEvent', userId: 'user' },
    query: z.strictObject({
      clientId,
      sourceEventId: idReference.optional(),
      userId: idReference.optional(),
      eventType: eventType.optional(),
      contract: z.string().optional(),
      ...windowQuery,
      ...pageQuery,
    }),
    reply: Event,
    async answerCall(call) {
      const { data, meta } = await readPage<EventRow>(deps, call, {
        list: 'events',
        columns: COLUMNS,
        table: 'events',
        filters: {
          sourceEventId: ['t.source_event_id = ?', call.query.sourceEventId],
          userId: ['t.user_id = ?', call.query.userId],
          eventType: ['t.type = ?', call.query.eventType],
          contract: ['t.contract = ?', call.query.contract],
        },
        // A source event has few events, so what its index finds is sorted.
        indexedFilters: [['sourceEventId'], ['userId'], ['eventType']],
      })
      return { data: await showEvents(call.db, data), meta }
    },
  }),
  resourceRoute('GET /v1/events/{id}', {
    summary: 'Get an event with its body',
    ids: { id: 'event' },
    reply: EventWithBody,
    async answerCall({ db, clientId, params }) {
      const { rows } = await db.query<EventRow>(
        `select ${COLUMNS}, b.body from events t
           left join event_bodies b on b.client_id = $1 and b.event_id = $2
          where t.client_id = $1 and t.id = $2`,
        [clientId, params.id],
      )
      const [data] = await showEvents(db, rows)
      return { data }
    },
  }),
]

const COLUMNS = `t.id, t.client_id as "clientId",
  case when t.source_event_id not in ('${NO_SOURCE_EVENT}', '${GATEWAY_ITSELF}') then t.source_event_id end as "sourceEventId",
  t.contract, t.type as "eventType", t.user_id as "userId", t.occurred_at as "occurredAt"`

interface EventRow {
  id: string
  clientId: string
}

/** The rows with the time and the deliveries of each. A separate statement, which reads only the days of these events. */
async function showEvents<R extends EventRow>(db: Queryable, rows: readonly R[]) {
  const counts: Record<string, Record<string, number>> = {}
  for (const [clientId, events] of Map.groupBy(rows, (row) => row.clientId)) {
    const { rows: states } = await db.query<{ id: string; state: string; count: number }>(
      `select event_id as id, state, count(*) from deliveries where client_id = $1 and event_id = any($2) group by 1, 2`,
      [clientId, events.map(({ id }) => id)],
    )
    for (const { id, state, count } of states) counts[id] = { ...counts[id], [state]: count }
  }
  return rows.map((row) => ({ ...row, createdAt: idTime(row.id), deliveries: counts[row.id] ?? {} }))
}
