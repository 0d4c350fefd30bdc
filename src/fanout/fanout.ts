import type { Queryable } from '../database/db.ts'
import { takesEventType } from '../domain/event-filter.ts'
import { newId } from '../domain/ids.ts'

/** What fan-out needs of a new event. */
export interface FanOutEvent {
  id: string
  contract: string
  type: string
  userId: string | null
}

/**
 * Makes one delivery per event and endpoint that wants it, inside the transaction that stores the events: pending, or
 * `skipped` where the endpoint is disabled (replayable). Ids follow the order of the events. Answers the endpoints to wake.
 */
export async function fanOut(tx: Queryable, clientId: string, events: readonly FanOutEvent[]): Promise<string[]> {
  const { rows: endpoints } = await tx.query<{
    id: string
    contract: string
    event_types: string[] | null
    status: string
  }>(
    `select id, contract, event_types, status from endpoints
      where client_id = $1 and deleted_at is null and contract = any($2) order by id`,
    [clientId, [...new Set(events.map(({ contract }) => contract))]],
  )
  const deliveries = events.flatMap((event) =>
    endpoints
      .filter(({ contract, event_types }) => contract === event.contract && takesEventType(event_types, event.type))
      .map((endpoint) => ({ id: newId(), event, endpoint })),
  )
  if (deliveries.length === 0) return []
  await tx.query(
    `insert into deliveries (client_id, event_id, id, endpoint_id, event_type, user_id, state, reason, next_attempt_at,
                             finished_at)
     select $1, d.event_id, d.id, d.endpoint_id, d.event_type, d.user_id,
            case when d.reason is null then 'pending' else 'skipped' end, d.reason,
            case when d.reason is null then now() end, case when d.reason is not null then now() end
       from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::uuid[])
            d(event_id, id, endpoint_id, event_type, reason, user_id)
     on conflict do nothing`,
    [
      clientId,
      deliveries.map(({ event }) => event.id),
      deliveries.map(({ id }) => id),
      deliveries.map(({ endpoint }) => endpoint.id),
      deliveries.map(({ event }) => event.type),
      deliveries.map(({ endpoint }) => (endpoint.status === 'disabled' ? 'endpoint_disabled' : null)),
      deliveries.map(({ event }) => event.userId),
    ],
  )
  return [
    ...new Set(deliveries.filter(({ endpoint }) => endpoint.status === 'enabled').map(({ endpoint }) => endpoint.id)),
  ]
}
