import { z } from 'zod'
import { contractNamed } from '../../contracts/contract.ts'
import type { Queryable } from '../../database/db.ts'
import {
  deliveryWaitAt,
  type EarlierDelivery,
  ENDPOINT_LIMITS,
  type EndpointLimits,
  findEarlierDelivery,
} from '../../database/delivery-waits.ts'
import { firstRow } from '../../database/rows.ts'
import { FANOUT_ORIGIN } from '../../domain/ids.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, eventType, id, idReference, pageQuery, replyTime, windowQuery } from '../http/field-schemas.ts'
import { readPage } from '../http/page.ts'
import { listRoute, type Route, resourceRoute } from '../http/route.ts'

export const DELIVERY_STATES = ['pending', 'delivered', 'failed', 'skipped', 'cancelled'] as const

/** A delivery in a reply. */
export const deliveryReply = z
  .strictObject({
    id: id.meta({ description: 'The receiver of a Flo event sees it as `eventId`.' }),
    clientId: id,
    eventId: id.meta({ description: 'The id in /v1/events of the event that is delivered.' }),
    endpointId: id,
    eventType,
    state: z.enum(DELIVERY_STATES),
    reason: z.string().nullable().meta({ description: 'Why it was skipped or cancelled.' }),
    attempts: z.number().int(),
    nextAttemptAt: replyTime.nullable(),
    waitsFor: z
      .strictObject({ for: z.enum(['schedule', 'breaker', 'turn']), until: replyTime.nullable(), message: z.string() })
      .nullable()
      .meta({ description: 'Why it is not being sent at this moment; null once it has ended.' }),
    createdAt: replyTime,
    finishedAt: replyTime.nullable(),
    origin: z.enum(['fanout', 'resend', 'replay', 'test']).meta({ description: 'What created it.' }),
    replayId: id.nullable().meta({ description: 'The replay that created it.' }),
  })
  .meta({ id: 'Delivery', description: 'One event on its way to one endpoint.' })

const DeliveryWithBody = deliveryReply
  .extend({
    contract: z.string().nullable(),
    body: z
      .string()
      .nullable()
      .meta({ description: 'The exact body of every attempt; null when it is past its retention.' }),
  })
  .meta({ id: 'DeliveryWithBody' })

const Attempt = z
  .strictObject({
    number: z.number().int(),
    startedAt: replyTime,
    durationMs: z.number().int(),
    status: z.number().int().nullable().meta({ description: 'The HTTP status; null if there was no response.' }),
    error: z.string().nullable().meta({
      description:
        '`timeout`, `dns`, `connection`, `tls`, `blocked`, `proxy` or `gateway`. A failure of the gateway’s own proxy (`proxy`), or for want of descriptors, memory, ports or a name server of its machine (`gateway`), uses up no attempt of the schedule.',
    }),
    errorMessage: z.string().nullable(),
    signature: z.string().nullable().meta({ description: 'The signature header that was sent.' }),
    responseHeaders: z.record(z.string(), z.unknown()).nullable(),
    responseBody: z
      .string()
      .nullable()
      .meta({ description: 'At most the first 16 KiB, or the first 1 KiB of a success.' }),
  })
  .meta({ id: 'Attempt', description: 'One HTTP request of a delivery.' })

const deliveriesQuery = z.strictObject({
  clientId,
  endpointId: idReference.optional(),
  eventId: idReference.optional(),
  replayId: idReference.optional(),
  state: z.enum(DELIVERY_STATES).optional(),
  eventType: eventType.optional(),
  ...windowQuery,
  ...pageQuery,
})

/** /v1/deliveries: what became of each event at each endpoint it was sent to. */
export const deliveryRoutes = (deps: Pick<ApiDeps, 'keyRing' | 'contracts' | 'now'>): Route[] => [
  listRoute('GET /v1/deliveries', {
    summary: 'List deliveries',
    ids: { endpointId: 'endpointEver', eventId: 'event', replayId: 'replay' },
    query: deliveriesQuery,
    reply: deliveryReply,
    async answerCall(call) {
      const { data, meta } = await readPage<DeliveryRow>(deps, call, {
        list: 'deliveries',
        columns: COLUMNS,
        table: 'deliveries',
        joins: JOINS,
        filters: {
          endpointId: ['t.endpoint_id = ?', call.query.endpointId],
          eventId: ['t.event_id = ?', call.query.eventId],
          replayId: [`t.origin = ? and t.origin <> '${FANOUT_ORIGIN}'`, call.query.replayId],
          state: ['t.state = ?', call.query.state],
          eventType: ['t.event_type = ?', call.query.eventType],
        },
        indexedFilters: indexedDeliveryFilters(call.query.state),
      })
      return { data: data.map((row) => showDelivery(row, deps.now())), meta }
    },
  }),
  resourceRoute('GET /v1/deliveries/{id}', {
    summary: 'Get a delivery with its body',
    ids: { id: 'delivery' },
    reply: DeliveryWithBody,
    async answerCall({ db, clientId, params }) {
      const delivery = await readDelivery(db, clientId, params.id, deps.now())
      const { rows } = await db.query(
        `select e.contract, b.body from events e
           left join event_bodies b on b.client_id = $1 and b.event_id = $2
          where e.client_id = $1 and e.id = $2`,
        [clientId, delivery.eventId],
      )
      const { contract = null, body = null } = rows[0] ?? {}
      return {
        data: {
          ...delivery,
          contract,
          body: body && contractNamed(deps.contracts, contract).wireBody(delivery.id, body),
        },
      }
    },
  }),
  resourceRoute('GET /v1/deliveries/{id}/attempts', {
    summary: 'List the attempts of a delivery',
    ids: { id: 'delivery' },
    query: z.strictObject({ clientId, ...pageQuery }),
    reply: Attempt,
    isList: true,
    async answerCall(call) {
      const { eventId, id, attempts } = await readDelivery(call.db, call.clientId, call.params.id, deps.now())
      const { data, meta } = await readPage(deps, call, {
        list: `attempts of ${id}`,
        columns: `t.number, t.started_at as "startedAt", t.duration_ms as "durationMs", t.status, t.error,
          t.error_message as "errorMessage", t.signature, t.response_headers as "responseHeaders",
          t.response_body as "responseBody"`,
        table: 'attempts',
        filters: { eventId: ['t.event_id = ?', eventId], deliveryId: ['t.delivery_id = ?', id] },
        keys: [['t.number', 'int']],
        isTimed: false,
      })
      // Attempts are deleted with the payloads; their count stays with the delivery.
      const isPastRetention = attempts > 0 && call.query.cursor === undefined && data.length === 0
      return { data, meta: { ...meta, ...(isPastRetention && { pastRetention: true }) } }
    },
  }),
]

const COLUMNS = `t.id, t.client_id as "clientId", t.event_id as "eventId", t.endpoint_id as "endpointId",
  t.event_type as "eventType", t.state, t.reason, t.attempts, t.next_attempt_at as "nextAttemptAt",
  t.created_at as "createdAt", t.finished_at as "finishedAt",
  case when t.origin = '${FANOUT_ORIGIN}' then 'fanout' when t.origin = t.event_id then 'test'
       when r.id is not null then 'replay' else 'resend' end as origin, r.id as "replayId", ${ENDPOINT_LIMITS} as holds`
const JOINS = `join endpoints p on p.client_id = t.client_id and p.id = t.endpoint_id
  left join endpoint_health h on h.client_id = t.client_id and h.endpoint_id = t.endpoint_id
  left join replays r on r.client_id = t.client_id and r.id = t.origin`

type DeliveryRow = Parameters<typeof deliveryWaitAt>[0] & { id: string; eventId: string; holds: EndpointLimits }

/** A row of COLUMNS as a reply shows it. */
const showDelivery = ({ holds, ...row }: DeliveryRow, now: Date, inFront: EarlierDelivery | null = null) => ({
  ...row,
  waitsFor: deliveryWaitAt(row, holds, now, inFront),
})

/** The filters that the indexes of deliveries serve, see sql/000016_lists.sql. `delivered` has no index: most rows have it. */
const indexedDeliveryFilters = (state: (typeof DELIVERY_STATES)[number] | undefined) => [
  ['eventId'],
  ['replayId'],
  ...(state === 'delivered' ? [] : state === 'pending' ? [['state']] : [['endpointId', 'state'], ['state']]),
  ['endpointId'],
]

/** The delivery as a reply shows it. Throws when there is none. */
export async function readDelivery(db: Queryable, clientId: string, id: string, now: Date) {
  const { rows } = await db.query<DeliveryRow>({
    name: 'api.delivery',
    text: `select ${COLUMNS} from deliveries t ${JOINS} where t.client_id = $1 and t.id = $2`,
    values: [clientId, id],
  })
  const row = firstRow(rows)
  const isInOrder = row.state === 'pending' && row.holds.ordering === 'user'
  return showDelivery(row, now, isInOrder ? await findEarlierDelivery(db, clientId, row) : null)
}
