import type { Queryable } from '../database/db.ts'
import { Refusal } from '../errors.ts'

/**
 * Cancels a delivery that waits; one that is cancelled already stays as it is. Runs inside the caller's transaction; afterwards the
 * endpoint has to be woken, since what was read of it may be in hand, and since the user's next delivery may go. An attempt that is
 * under way is not broken off: what it delivers is delivered, and is shown as that; otherwise no other follows. Throws `not_found`,
 * and `delivery_ended` for one that was delivered, has failed or was skipped.
 */
export async function cancelDelivery(
  tx: Queryable,
  clientId: string,
  deliveryId: string,
): Promise<{ endpointId: string }> {
  // Locks the delivery: its state is the one that an attempt, a resend or another cancellation has left.
  const { rows } = await tx.query<{ eventId: string; endpointId: string; state: string }>({
    name: 'deliver.cancel_lock',
    text: `select d.event_id as "eventId", d.endpoint_id as "endpointId", d.state
             from deliveries d where d.client_id = $1 and d.id = $2 for update`,
    values: [clientId, deliveryId],
  })
  const [delivery] = rows
  if (!delivery) throw new Refusal('not_found')
  const { eventId, endpointId, state } = delivery
  if (state === 'cancelled') return { endpointId }
  if (state !== 'pending') throw new Refusal('delivery_ended')
  await tx.query({
    name: 'deliver.cancel',
    text: `update deliveries
              set state = 'cancelled', reason = 'cancelled_by_request', next_attempt_at = null, finished_at = now()
            where client_id = $1 and event_id = $2 and id = $3`,
    values: [clientId, eventId, deliveryId],
  })
  return { endpointId }
}
