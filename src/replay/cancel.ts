import type { Queryable } from '../database/db.ts'

/**
 * Stops a replay where it is; one that has ended stays as it is. Its pending deliveries are cancelled, except those that
 * replaced another pending delivery: without the replay the endpoint would still get their event.
 */
export async function cancelReplay(tx: Queryable, clientId: string, id: string): Promise<void> {
  // Waits for the step that is making deliveries; no step makes any afterwards.
  const { rowCount } = await tx.query(
    `update replays set state = 'cancelled', finished_at = now()
      where client_id = $1 and id = $2 and state = 'running'`,
    [clientId, id],
  )
  if (rowCount === 0) return
  await tx.query(
    // now() is the same throughout a transaction: what was cancelled at the time the delivery was made was replaced by it.
    `update deliveries d
        set state = 'cancelled', reason = 'replay_cancelled', next_attempt_at = null, finished_at = now()
      where client_id = $1 and origin = $2 and state = 'pending'
        and origin <> '00000000-0000-0000-0000-000000000000'
        and not exists (
          select from deliveries w
           where w.client_id = $1 and w.event_id = d.event_id and w.endpoint_id = d.endpoint_id
             and w.state = 'cancelled' and w.reason = 'resent' and w.finished_at = d.created_at)`,
    [clientId, id],
  )
}
