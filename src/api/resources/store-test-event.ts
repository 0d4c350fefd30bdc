import type { Contract } from '../../contracts/contract.ts'
import type { Queryable } from '../../database/db.ts'
import { NO_SOURCE_EVENT, newId } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'

interface TestEventRequest {
  endpointId: string
  contract: Contract
  /** undefined: the first one of the contract. */
  eventType: string | undefined
  at: Date
}

/**
 * Stores the contract's example as an event without a source event, with one delivery to the endpoint; returns the delivery's
 * id. Runs in the caller's transaction. Throws `invalid` for an event type that the contract does not have.
 */
export async function storeTestEvent(
  tx: Queryable,
  clientId: string,
  { endpointId, contract, eventType = contract.eventTypes[0] ?? '', at }: TestEventRequest,
): Promise<string> {
  if (!contract.eventTypes.includes(eventType))
    throw new Refusal('invalid', {
      details: [
        { path: 'eventType', code: 'unknown_event_type', message: `${contract.name} has no event type "${eventType}"` },
      ],
    })
  const [eventId, deliveryId] = [newId(), newId()]
  const body = contract.example(eventType)
  await tx.query('insert into event_bodies (client_id, event_id, body) values ($1, $2, $3)', [
    clientId,
    eventId,
    JSON.stringify(body),
  ])
  await tx.query(
    `insert into events (client_id, id, source_event_id, contract, type, key, occurred_at) values ($1, $2, $3, $4, $5, $6, $7)`,
    [clientId, eventId, NO_SOURCE_EVENT, contract.name, eventType, `test:${eventId}`, at],
  )
  // Not the origin of the fan-out: the endpoint's filter does not apply to a test.
  await tx.query(
    `insert into deliveries (client_id, event_id, id, endpoint_id, origin, event_type) values ($1, $2, $3, $4, $2, $5)`,
    [clientId, eventId, deliveryId, endpointId, eventType],
  )
  return deliveryId
}
