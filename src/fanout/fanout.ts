import { createClientStatement } from '../database/client-statement.ts'
import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import type { CreatedDelivery } from '../domain/created-delivery.ts'
import { takesEventType } from '../domain/event-filter.ts'
import { newId } from '../domain/ids.ts'

/** What fan-out needs of a new event. */
export interface FanOutEvent {
  clientId: string
  id: string
  contract: string
  type: string
  userId: string | null
  /** The contract's body, and what it was made of: handed on to who delivers it. */
  body?: string
  sourceEventId?: string
}

interface EndpointRow {
  client_id: string
  id: string
  contract: string
  event_types: string[] | null
  status: string
}

const runEndpoints = createClientStatement<EndpointRow>({
  name: 'fanout.endpoints',
  text: (tie) => `
    select e.* from unnest($1::uuid[]) w(client_id)
     cross join lateral (
       select client_id, id, contract, event_types, status from endpoints e
        where e.client_id = w.client_id and e.deleted_at is null and e.contract = any($2) ${tie('e.client_id')} offset 0) e
     order by e.id`,
})

/**
 * Makes one delivery per event and endpoint that wants it, inside the transaction that stores the events of clients of one group:
 * pending, or `skipped` where the endpoint is disabled (replayable). Ids follow the order of the events. Answers each client's pending
 * deliveries, where it has any.
 */
export async function fanOut(
  tx: Queryable,
  events: readonly FanOutEvent[],
): Promise<ReadonlyMap<string, readonly CreatedDelivery[]>> {
  const madeAt = performance.now()
  const clientIds = new Set(events.map(({ clientId }) => clientId))
  const contracts = new Set(events.map(({ contract }) => contract))
  const { rows } = await runEndpoints(tx, clientIds, [[...clientIds], [...contracts]])
  const endpointsOf = Map.groupBy(rows, ({ client_id }) => client_id)
  const deliveries = events.flatMap((event) =>
    (endpointsOf.get(event.clientId) ?? [])
      .filter(({ contract, event_types }) => contract === event.contract && takesEventType(event_types, event.type))
      .map((endpoint): NewDelivery => ({ id: newId(), event, endpoint })),
  )
  if (deliveries.length === 0) return new Map()
  const isPending = ({ endpoint }: NewDelivery) => endpoint.status === 'enabled'
  const pending = deliveries.filter(isPending)
  await insertPending(tx, pending)
  await insertSkipped(
    tx,
    deliveries.filter((delivery) => !isPending(delivery)),
  )
  const ofClients = Map.groupBy(pending, ({ event }) => event.clientId)
  return new Map([...ofClients].map(([clientId, own]) => [clientId, own.map((one) => createdOf(one, madeAt))]))
}

const createdOf = ({ id, event, endpoint }: NewDelivery, madeAt: number): CreatedDelivery => ({
  ...{ id, endpointId: endpoint.id, eventId: event.id, eventType: event.type },
  ...{ body: event.body, sourceEventId: event.sourceEventId, madeAt },
})

interface NewDelivery {
  id: string
  event: FanOutEvent
  endpoint: { id: string; status: string }
}

const columns = {
  client_id: (d: NewDelivery) => d.event.clientId,
  event_id: (d: NewDelivery) => d.event.id,
  id: (d: NewDelivery) => d.id,
  endpoint_id: (d: NewDelivery) => d.endpoint.id,
  event_type: (d: NewDelivery) => d.event.type,
  user_id: (d: NewDelivery) => d.event.userId,
}

// Of events that are new themselves: there is nothing to be in conflict with, and looking for it would cost as much as two more indexes.
const insertPending = createRowInsert<NewDelivery>({
  name: 'fanout.pending',
  table: 'deliveries',
  columns,
  constants: { state: "'pending'", next_attempt_at: 'now()' },
  isSentAtOnce: true,
})

const insertSkipped = createRowInsert<NewDelivery>({
  name: 'fanout.skipped',
  table: 'deliveries',
  columns,
  constants: { state: "'skipped'", reason: "'endpoint_disabled'", next_attempt_at: 'null', finished_at: 'now()' },
  isSentAtOnce: true,
})
