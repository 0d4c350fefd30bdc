import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { EVENT_ORIGINS, originOf } from '../../domain/event-origin.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, id, idReference, pageQuery, replyTime, textUpTo, windowQuery } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { listRoute, type Route, resourceRoute } from '../http/route.ts'

const STATES = ['received', 'normalized', 'ignored', 'held', 'failed'] as const
/** Those that few are in: an index finds them. */
const INDEXED_STATES: readonly (string | undefined)[] = ['received', 'held', 'failed']

/** A source event in a reply. */
export const SourceEvent = z
  .strictObject({
    id,
    clientId: id,
    sourceId: id.meta({ description: "Of what the client's application published: the client's own id." }),
    origin: z.enum(EVENT_ORIGINS).meta({
      description: "`app`: published by the client's application; `timer`: our own, of an invoice that fell due.",
    }),
    eventId: z.string().meta({
      description: "The sender's own id; an app event's was made by the gateway.",
      example: 'evt_1TKx2v',
    }),
    type: z.string().meta({ example: 'invoice.paid' }),
    apiVersion: z.string().nullable(),
    account: z.string().nullable().meta({ description: "A connected account; null: the source's own." }),
    livemode: z.boolean(),
    createdAt: replyTime.meta({ description: 'As the sender says.' }),
    receivedAt: replyTime,
    state: z.enum(STATES),
    reason: z
      .strictObject({ code: z.string(), message: z.string().nullable() })
      .nullable()
      .meta({ description: 'Why it was ignored, is held or has failed.' }),
    heldUntil: replyTime.nullable(),
  })
  .meta({ id: 'SourceEvent', description: 'What a source sent, and what became of it.' })

const SourceEventWithBody = SourceEvent.extend({
  body: z.string().nullable().meta({
    description: "The raw body, Stripe's as it was signed; null once past its retention.",
  }),
}).meta({ id: 'SourceEventWithBody' })

const COLUMNS = `t.id, t.client_id as "clientId", t.source_id as "sourceId", t.event_id as "eventId", t.type,
  t.api_version as "apiVersion", nullif(t.account, '') as account, t.livemode, t.created_at as "createdAt",
  t.received_at as "receivedAt", t.state,
  case when t.reason_code is not null then jsonb_build_object('code', t.reason_code, 'message', t.reason_message) end as reason,
  t.held_until as "heldUntil"`

type SourceEventRow = Parameters<typeof originOf>[0]
const showSourceEvent = <R extends SourceEventRow>(row: R) => ({ ...row, origin: originOf(row) })

/** The source event as a reply shows it. It must exist. */
export async function readSourceEvent(db: Queryable, clientId: string, id: string) {
  const { rows } = await db.query<SourceEventRow>(
    `select ${COLUMNS} from source_events t where client_id = $1 and id = $2`,
    [clientId, id],
  )
  return showSourceEvent(rows[0]!)
}

/** /v1/source-events: everything that came in. */
export const sourceEventRoutes = (deps: Pick<ApiDeps, 'keyRing'>): Route[] => [
  listRoute('GET /v1/source-events', {
    summary: 'List source events',
    ids: { sourceId: 'sourceOrApp' },
    query: z.strictObject({
      clientId,
      sourceId: idReference.optional().meta({ description: "The client's own id: what its application published." }),
      state: z.enum(STATES).optional(),
      type: textUpTo(200).optional(),
      eventId: textUpTo(300).optional().meta({ description: "The sender's own id." }),
      ...windowQuery,
      ...pageQuery,
    }),
    reply: SourceEvent,
    async answerCall(call) {
      const { data, meta } = await readPage<SourceEventRow>(deps, call, {
        list: 'source-events',
        columns: COLUMNS,
        table: 'source_events',
        filters: {
          sourceId: ['t.source_id = ?', call.query.sourceId],
          state: ['t.state = ?', call.query.state],
          type: ['t.type = ?', call.query.type],
          eventId: ['t.event_id = ?', call.query.eventId],
        },
        indexedFilters: [['eventId'], ...(INDEXED_STATES.includes(call.query.state) ? [['state']] : []), ['sourceId']],
      })
      return { data: data.map(showSourceEvent), meta }
    },
  }),
  resourceRoute('GET /v1/source-events/{id}', {
    summary: 'Get a source event with its raw body',
    ids: { id: 'sourceEvent' },
    reply: SourceEventWithBody,
    async answerCall({ db, clientId, params }) {
      const { rows } = await db.query<SourceEventRow & { body: Buffer | null }>(
        `select ${COLUMNS}, b.body from source_events t
           left join source_event_bodies b on b.client_id = $1 and b.source_event_id = $2
          where t.client_id = $1 and t.id = $2`,
        [clientId, params.id],
      )
      const { body, ...row } = rows[0]!
      return { data: { ...showSourceEvent(row), body: body?.toString('utf8') ?? null } }
    },
  }),
]
