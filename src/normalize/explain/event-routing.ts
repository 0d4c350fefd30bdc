import type { Queryable } from '../../database/db.ts'
import {
  deliveryWaitAt,
  type EarlierDelivery,
  ENDPOINT_LIMITS,
  findEarlierDelivery,
} from '../../database/delivery-waits.ts'
import { takesEventType } from '../../domain/event-filter.ts'
import { FANOUT_ORIGIN, idTime } from '../../domain/ids.ts'
import type { ExplainedDelivery, ExplainedEvent } from './explanation.ts'

/** Where events went: their deliveries, and the endpoints that did not get them. */
export interface EventRouting {
  deliveriesOf: (eventId: string) => ExplainedDelivery[]
  endpointsPassedOver: (event: RoutedEvent) => ExplainedEvent['passedOver']
  /** Of an event that is not stored: who would get it. */
  futureEndpointsOf: (event: RoutedEvent) => ExplainedEvent['wouldGoTo']
}
/** `eventId` null: it is not stored. */
interface RoutedEvent {
  eventId: string | null
  contract: string
  type: string
}

interface EndpointRow {
  id: string
  url: string
  contract: string
  event_types: string[] | null
  status: string
  created_at: Date
  updated_at: Date
}

interface DeliveryRow {
  id: string
  event_id: string
  endpoint_id: string
  url: string
  origin: string
  state: string
  reason: string | null
  attempts: number
  next_attempt_at: Date | null
  replay_id: string | null
  /** Of the last attempt: null before the first one. */
  started_at: Date | null
  status: number | null
  error: string | null
  error_message: string | null
  holds: Parameters<typeof deliveryWaitAt>[1]
}

/** Loads the routing of some stored events of one client: two statements, and one for each delivery that waits for an earlier one of the same user. */
export async function loadRouting(
  { db, now }: { db: Queryable; now: () => Date },
  clientId: string,
  eventIds: readonly string[],
): Promise<EventRouting> {
  const { rows: endpoints } = await db.query<EndpointRow>(
    `select id, url, contract, event_types, status, created_at, updated_at from endpoints
      where client_id = $1 and deleted_at is null order by id`,
    [clientId],
  )
  const { rows } = await db.query<DeliveryRow>(
    `select d.id, d.event_id, d.endpoint_id, p.url, d.origin, d.state, d.reason, d.attempts, d.next_attempt_at,
            r.id as replay_id, a.started_at, a.status, a.error, a.error_message, ${ENDPOINT_LIMITS} as holds
       from deliveries d
       join endpoints p on p.client_id = $1 and p.id = d.endpoint_id
       left join endpoint_health h on h.client_id = $1 and h.endpoint_id = d.endpoint_id
       left join replays r on r.client_id = $1 and r.id = d.origin
       left join attempts a on a.client_id = $1 and a.event_id = d.event_id and a.delivery_id = d.id and a.number = d.attempts
      where d.client_id = $1 and d.event_id = any($2) order by d.id`,
    [clientId, eventIds],
  )
  const inFront = new Map<string, EarlierDelivery | null>()
  for (const { id, event_id: eventId, state, holds } of rows)
    if (state === 'pending' && holds.ordering === 'user')
      inFront.set(id, await findEarlierDelivery(db, clientId, { eventId, id }))
  const deliveriesOf = (eventId: string) =>
    rows
      .filter((row) => row.event_id === eventId)
      .map((row) => explainDelivery(row, now(), inFront.get(row.id) ?? null))
  return {
    deliveriesOf,
    endpointsPassedOver(event) {
      const got = new Set(event.eventId === null ? [] : deliveriesOf(event.eventId).map(({ endpointId }) => endpointId))
      return endpoints.flatMap((endpoint) => {
        const why = got.has(endpoint.id) ? null : whyNoDelivery(endpoint, event)
        return why ? [{ endpointId: endpoint.id, url: endpoint.url, ...why }] : []
      })
    },
    futureEndpointsOf: (event) =>
      event.eventId !== null
        ? []
        : endpoints.flatMap((endpoint) =>
            whyNoDelivery(endpoint, event) ? [] : [{ endpointId: endpoint.id, url: endpoint.url }],
          ),
  }
}

/** How many deliveries the events of a source event have in each state. */
export async function countDeliveryStates(
  db: Queryable,
  clientId: string,
  eventIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (eventIds.length === 0) return new Map()
  const { rows } = await db.query<{ state: string; count: number }>(
    `select state, count(*)::int as count from deliveries
      where client_id = $1 and event_id = any($2) group by state order by state`,
    [clientId, eventIds],
  )
  return new Map(rows.map(({ state, count }) => [state, count]))
}

const explainDelivery = (row: DeliveryRow, now: Date, inFront: EarlierDelivery | null): ExplainedDelivery => ({
  id: row.id,
  endpointId: row.endpoint_id,
  url: row.url,
  origin: row.origin === FANOUT_ORIGIN ? 'fanout' : row.replay_id ? 'replay' : 'resend',
  state: row.state,
  reason: row.reason,
  attempts: row.attempts,
  nextAttemptAt: row.next_attempt_at,
  waitsFor: deliveryWaitAt(
    { state: row.state, attempts: row.attempts, nextAttemptAt: row.next_attempt_at },
    row.holds,
    now,
    inFront,
  ),
  lastAttempt: row.started_at && {
    at: row.started_at,
    outcome: row.status === null ? (row.error ?? 'unknown') : String(row.status),
    message: row.error_message,
  },
})

/** Why an endpoint has no delivery of an event; null: it will have one. */
function whyNoDelivery(
  endpoint: EndpointRow,
  { eventId, contract, type }: RoutedEvent,
): { why: string; message: string } | null {
  const { contract: taken, event_types: filter, status, created_at, updated_at } = endpoint
  if (taken !== contract) return { why: 'contract', message: `takes the contract ${taken}, not ${contract}` }
  const storedAt = eventId === null ? null : idTime(eventId)
  if (storedAt && created_at > storedAt)
    return {
      why: 'created_later',
      message: `was made ${created_at.toISOString()}, after the event: a replay can send it`,
    }
  if (!takesEventType(filter, type)) return { why: 'filter', message: `its filter takes ${filter?.join(', ')}` }
  if (eventId === null) return status === 'disabled' ? { why: 'disabled', message: 'is disabled' } : null
  if (storedAt && updated_at > storedAt)
    return { why: 'changed_later', message: 'takes it as it is set up now, but did not when the event was stored' }
  return { why: 'unknown', message: 'should have got it: the ledger tells more (flo-gateway ledger)' }
}
