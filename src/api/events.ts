import { z } from 'zod'
import { GATEWAY_ITSELF, idTime, NO_SOURCE_EVENT } from '../ids.ts'
import { page } from './page.ts'
import { ofClient } from './page-sql.ts'
import { type Deps, listRoute, type Route, route } from './route.ts'
import { clientId, eventType, id, pageQuery, reference, time, windowQuery } from './words.ts'

const Event = z
  .strictObject({
    id,
    clientId: id,
    sourceEventId: id
      .nullable()
      .meta({ description: 'What it was made of; null for a test event, and for what the gateway tells of itself.' }),
    contract: z.string(),
    eventType,
    userId: id.nullable(),
    occurredAt: time,
    createdAt: time,
    deliveries: z
      .record(z.string(), z.number().int())
      .meta({ description: 'How many deliveries it has, by state.', example: { delivered: 2, pending: 1 } }),
  })
  .meta({ id: 'Event', description: 'One happening in the words of one contract.' })

const EventWithBody = Event.extend({
  body: z.string().nullable().meta({
    description:
      'What is delivered, as JSON text; each delivery of Flo puts its own `eventId` in front. null once past its retention.',
  }),
}).meta({ id: 'EventWithBody' })

const COLUMNS = `t.id, t.client_id as "clientId",
  case when t.source_event_id not in ('${NO_SOURCE_EVENT}', '${GATEWAY_ITSELF}') then t.source_event_id end as "sourceEventId",
  t.contract, t.type as "eventType", t.user_id as "userId", t.occurred_at as "occurredAt",
  (select coalesce(jsonb_object_agg(s.state, s.count), '{}') from (
     select state, count(*) from deliveries d where d.client_id = t.client_id and d.event_id = t.id group by state
   ) s) as deliveries`

const withTime = <Row extends { id: string }>(row: Row) => ({ ...row, createdAt: idTime(row.id) })

/** /v1/events: what the sources' events became. */
export const events = (deps: Pick<Deps, 'keyRing'>): Route[] => [
  listRoute('GET /v1/events', {
    summary: 'List events',
    ids: { sourceEventId: 'sourceEvent', userId: 'user' },
    query: z.strictObject({
      clientId,
      sourceEventId: reference.optional(),
      userId: reference.optional(),
      eventType: eventType.optional(),
      contract: z.string().optional(),
      ...windowQuery,
      ...pageQuery,
    }),
    reply: Event,
    async run(call) {
      const { data, meta = {} } = await page(deps, call, {
        list: 'events',
        columns: COLUMNS,
        table: 'events',
        filters: {
          sourceEventId: ['t.source_event_id = ?', call.query.sourceEventId],
          userId: ['t.user_id = ?', call.query.userId],
          eventType: ['t.type = ?', call.query.eventType],
          contract: ['t.contract = ?', call.query.contract],
        },
        // A source event has few events: what its index finds is put in order.
        ways: [['sourceEventId'], ['userId'], ['eventType']],
      })
      return { data: (data as { id: string }[]).map(withTime), meta }
    },
  }),
  route('GET /v1/events/{id}', {
    summary: 'Get an event with its body',
    ids: { id: 'event' },
    reply: EventWithBody,
    async run({ db, clientId, params }) {
      const { rows } = await db.query({
        name: 'api.event',
        text: `select ${ofClient(COLUMNS, '$1::uuid')}, b.body from events t
                 left join event_bodies b on b.client_id = $1 and b.event_id = $2
                where t.client_id = $1 and t.id = $2`,
        values: [clientId, params.id],
      })
      return { data: withTime(rows[0]) }
    },
  }),
]
