import type { Queryable } from '../database/db.ts'
import { announcePending } from '../database/pending-floor.ts'
import { readHorizons } from '../database/retention-horizons.ts'
import { idFloor, newId } from '../domain/ids.ts'
import { Refusal } from '../errors.ts'

interface ResentRow {
  eventId: string
  endpointId: string
  eventType: string
  userId: string | null
  status: string
  deleted: boolean
  hasBody: boolean
}

/**
 * Delivers an event to an endpoint once more: a new delivery, due now, with an id of its own and the endpoint's full
 * schedule. What still waits of the same event and endpoint becomes `cancelled`. Runs inside the caller's transaction;
 * afterwards the endpoint has to be woken. Throws `not_found` when there is no such delivery or its endpoint is deleted,
 * `endpoint_disabled`, and `payload_expired` when the event's body is past its retention. Attempts already
 * made stay on record with the old delivery.
 */
export async function resendDelivery(
  tx: Queryable,
  clientId: string,
  deliveryId: string,
): Promise<{ id: string; endpointId: string }> {
  // Locks the delivery: of two resends at once, the second finds the first one's delivery and cancels it.
  const { rows } = await tx.query<ResentRow>({
    // Named, so that it is planned once: there are as many partitions as days of retention.
    name: 'deliver.resend',
    text: `select d.event_id as "eventId", d.endpoint_id as "endpointId", d.event_type as "eventType", d.user_id as "userId", p.status,
            p.deleted_at is not null as deleted,
            b.event_id is not null as "hasBody"
       from deliveries d
       join endpoints p on p.client_id = d.client_id and p.id = d.endpoint_id
       left join event_bodies b on b.client_id = d.client_id and b.event_id = d.event_id
      where d.client_id = $1 and d.id = $2
        for update of d`,
    values: [clientId, deliveryId],
  })
  const [delivery] = rows
  if (!delivery) throw new Refusal('not_found')
  if (delivery.deleted)
    throw new Refusal('not_found', {
      message: 'The endpoint of this delivery was deleted: its history stays, but nothing is sent there any more.',
    })
  if (delivery.status === 'disabled') throw new Refusal('endpoint_disabled')
  const { eventId, endpointId, eventType, userId } = delivery
  // Behind the horizon a body may still be there, and be gone before it is sent.
  if (!delivery.hasBody || eventId < idFloor((await readHorizons(tx)).payload)) throw new Refusal('payload_expired')
  await tx.query(
    `update deliveries set state = 'cancelled', reason = 'resent', next_attempt_at = null, finished_at = now()
      where client_id = $1 and event_id = $2 and endpoint_id = $3 and state = 'pending'`,
    [clientId, eventId, endpointId],
  )
  await announcePending(tx, eventId)
  const [id, origin] = [newId(), newId()]
  await tx.query(
    `insert into deliveries (client_id, event_id, id, endpoint_id, origin, event_type, user_id)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [clientId, eventId, id, endpointId, origin, eventType, userId],
  )
  return { id, endpointId }
}
