import type { Queryable } from '../../database/db.ts'

/** More would hold their locks, and the request, for too long: the pump ends the rest when it meets them. */
const AT_ONCE = 5_000

/** Ends deliveries that wait for an endpoint which takes none any more: `skipped` can be replayed, `cancelled` is over. */
export async function endWaiting(
  tx: Queryable,
  clientId: string,
  endpointId: string,
  { state, reason }: { state: 'skipped' | 'cancelled'; reason: string },
): Promise<void> {
  await tx.query(
    `update deliveries d
        set state = $3, reason = $4, next_attempt_at = null, finished_at = now()
       from (select event_id, id from deliveries
              where client_id = $1 and endpoint_id = $2 and state = 'pending' limit $5 for update) w
      where d.client_id = $1 and d.event_id = w.event_id and d.id = w.id`,
    [clientId, endpointId, state, reason, AT_ONCE],
  )
}
