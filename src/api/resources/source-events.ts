import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { isOfDeletedUser } from '../../database/deletions.ts'
import { firstRow } from '../../database/rows.ts'
import { EVENT_ORIGINS, originOf } from '../../domain/event-origin.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, id, idReference, pageQuery, replyTime, textUpTo, windowQuery } from '../http/field-schemas.ts'
import { showOwner } from '../http/owner.ts'
import { readPage } from '../http/page.ts'
import { listRoute, type Route, resourceRoute } from '../http/route.ts'
import { RoutedByReply, readRoutedBy } from './routed-by.ts'

const STATES = ['received', 'normalized', 'ignored', 'held', 'failed', 'unrouted'] as const
/** The states that few rows have, which an index serves. */
const INDEXED_STATES: readonly (string | undefined)[] = ['received', 'held', 'failed', 'unrouted']

/** A source event in a reply. */
export const SourceEvent = z
  .strictObject({
    id,
    clientId: id.nullable().meta({
      description:
        'null: of a source that routes its events, and of no client: all clients of the source share it, or its client is not known. Operators alone see those.',
    }),
    sourceId: id.meta({ description: "For events that the client's application published: the client's own id." }),
    origin: z.enum(EVENT_ORIGINS).meta({
      description:
        "`app`: published by the client's application; `timer`: created by the gateway when an invoice fell due.",
    }),
    eventId: z.string().meta({
      description: "The sender's id for it; for app events the gateway creates one.",
      example: 'evt_1TKx2v',
    }),
    type: z.string().meta({ example: 'invoice.paid' }),
    apiVersion: z.string().nullable(),
    account: z.string().nullable().meta({ description: "A connected account; null: the source's own account." }),
    livemode: z.boolean(),
    createdAt: replyTime.meta({ description: 'The time that the sender gives.' }),
    receivedAt: replyTime,
    state: z.enum(STATES).meta({
      description:
        '`unrouted`: of a source that routes its events, and nobody has told whose it is. It is kept, and routed as soon as that is known.',
    }),
    reason: z
      .strictObject({ code: z.string(), message: z.string().nullable() })
      .nullable()
      .meta({ description: 'Why it was ignored, is held, failed or is unrouted.' }),
    heldUntil: replyTime.nullable(),
    routedBy: RoutedByReply,
  })
  .meta({ id: 'SourceEvent', description: 'What a source sent, and what became of it.' })

/** One that the client's own application has published. */
export const PublishedEvent = SourceEvent.extend({
  clientId: id,
  state: z.enum(STATES).exclude(['unrouted']),
  routedBy: z.null().meta({ description: 'It is your own: nothing routed it.' }),
}).meta({ id: 'PublishedEvent', description: 'What your application published, as it was stored.' })

const SourceEventWithBody = SourceEvent.extend({
  body: z.string().nullable().meta({
    description:
      'The raw body, for Stripe exactly as it was signed; null when it is past its retention, was expunged, or its user was deleted.',
  }),
}).meta({ id: 'SourceEventWithBody' })

/** /v1/source-events: everything that was received. */
export const sourceEventRoutes = (deps: Pick<ApiDeps, 'keyRing'>): Route[] => [
  listRoute('GET /v1/source-events', {
    summary: 'List source events',
    ids: { sourceId: 'sourceOrApp' },
    query: z.strictObject({
      clientId,
      sourceId: idReference
        .optional()
        .meta({ description: "The client's own id selects the events that its application published." }),
      state: z.enum(STATES).optional(),
      type: textUpTo(200).optional(),
      eventId: textUpTo(300).optional().meta({ description: "The sender's id." }),
      ...windowQuery,
      ...pageQuery,
    }),
    reply: SourceEvent,
    async answerCall(call) {
      const { data, meta } = await readPage<SourceEventRow>(deps, call, {
        list: 'source-events',
        columns: COLUMNS,
        table: 'source_events',
        joins: JOINS,
        filters: {
          sourceId: ['t.source_id = ?', call.query.sourceId],
          state: ['t.state = ?', call.query.state],
          type: ['t.type = ?', call.query.type],
          eventId: ['t.event_id = ?', call.query.eventId],
        },
        indexedFilters: [['eventId'], ...(INDEXED_STATES.includes(call.query.state) ? [['state']] : []), ['sourceId']],
      })
      return { data: await showSourceEvents(call.db, data), meta }
    },
  }),
  resourceRoute('GET /v1/source-events/{id}', {
    summary: 'Get a source event with its raw body',
    ids: { id: 'sourceEvent' },
    reply: SourceEventWithBody,
    async answerCall({ db, clientId, params }) {
      const { rows } = await db.query<SourceEventRow & { body: Buffer | null }>(
        `select ${COLUMNS}, b.body from source_events t ${JOINS}
           left join source_event_bodies b on b.client_id = $1 and b.source_event_id = $2
          where t.client_id = $1 and t.id = $2`,
        [clientId, params.id],
      )
      const { body, ...row } = firstRow(rows)
      const isShown = body !== null && !(await isOfDeletedUser(db, clientId, body))
      const shown = firstRow(await showSourceEvents(db, [row]))
      return { data: { ...shown, body: isShown ? body.toString('utf8') : null } }
    },
  }),
]

const COLUMNS = `t.id, t.client_id as "clientId", t.source_id as "sourceId", t.event_id as "eventId", t.type,
  t.api_version as "apiVersion", nullif(t.account, '') as account, t.livemode, t.created_at as "createdAt",
  t.received_at as "receivedAt", t.state,
  case when t.reason_code is not null then jsonb_build_object('code', t.reason_code, 'message', t.reason_message) end as reason,
  t.held_until as "heldUntil", src.routing is not null as "isRouted"`
/** A source routes its events, whosever they are. */
const JOINS = 'left join sources src on src.id = t.source_id'

type SourceEventRow = Parameters<typeof originOf>[0] &
  Parameters<typeof readRoutedBy>[1][number] & { isRouted: boolean }

/** Rows of COLUMNS as replies show them. */
async function showSourceEvents<R extends SourceEventRow>(db: Queryable, rows: readonly R[]) {
  const routedBy = await readRoutedBy(
    db,
    rows.filter(({ isRouted }) => isRouted),
  )
  return rows.map(({ isRouted: _, ...row }) => ({
    ...row,
    origin: originOf(row),
    clientId: showOwner(row.clientId),
    routedBy: routedBy.get(row.id) ?? null,
  }))
}

/** The source event as a reply shows it. Throws when there is none. */
export async function readSourceEvent(db: Queryable, clientId: string, id: string) {
  const { rows } = await db.query<SourceEventRow>(
    `select ${COLUMNS} from source_events t ${JOINS} where t.client_id = $1 and t.id = $2`,
    [clientId, id],
  )
  return firstRow(await showSourceEvents(db, [firstRow(rows)]))
}
