import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
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
      .map((endpoint): NewDelivery => ({ clientId, id: newId(), event, endpoint })),
  )
  if (deliveries.length === 0) return []
  const isPending = ({ endpoint }: NewDelivery) => endpoint.status === 'enabled'
  await insertPending(tx, deliveries.filter(isPending))
  await insertSkipped(
    tx,
    deliveries.filter((delivery) => !isPending(delivery)),
  )
  return [...new Set(deliveries.filter(isPending).map(({ endpoint }) => endpoint.id))]
}

interface NewDelivery {
  clientId: string
  id: string
  event: FanOutEvent
  endpoint: { id: string; status: string }
}

const columns = {
  client_id: (d: NewDelivery) => d.clientId,
  event_id: (d: NewDelivery) => d.event.id,
  id: (d: NewDelivery) => d.id,
  endpoint_id: (d: NewDelivery) => d.endpoint.id,
  event_type: (d: NewDelivery) => d.event.type,
  user_id: (d: NewDelivery) => d.event.userId,
}

const insertPending = createRowInsert<NewDelivery>({
  name: 'fanout.pending',
  table: 'deliveries',
  columns,
  constants: { state: "'pending'", next_attempt_at: 'now()' },
  end: 'on conflict do nothing',
})

const insertSkipped = createRowInsert<NewDelivery>({
  name: 'fanout.skipped',
  table: 'deliveries',
  columns,
  constants: { state: "'skipped'", reason: "'endpoint_disabled'", next_attempt_at: 'null', finished_at: 'now()' },
  end: 'on conflict do nothing',
})
