import type { Queryable } from '../../database/db.ts'
import { ENDPOINT_CHANGED } from '../../database/endpoint-version.ts'

/** A statement that ends a million deliveries at once would hold its locks for minutes. */
const CHUNK = 5_000

/**
 * Ends the deliveries that still wait for an endpoint that is disabled (`skipped`: they can be replayed) or deleted
 * (`cancelled`). Looks at the endpoint itself: one that was enabled again meanwhile keeps its deliveries.
 */
export async function endEndpointDeliveries(db: Queryable, clientId: string, endpointId: string): Promise<number> {
  for (let closed = 0; ; ) {
    const { rowCount } = await db.query({
      name: 'deliver.close',
      text: `update deliveries d
                set state = case when e.status = 'disabled' and e.deleted_at is null then 'skipped' else 'cancelled' end,
                    reason = case when e.status = 'disabled' and e.deleted_at is null
                                  then 'endpoint_disabled' else 'endpoint_deleted' end,
                    next_attempt_at = null, finished_at = now()
               from (select event_id, id from deliveries
                      where client_id = $1 and endpoint_id = $2 and state = 'pending' limit $3 for update) w,
                    (select status, deleted_at from endpoints where client_id = $1 and id = $2
                     union all select 'gone', now() where not exists (
                       select from endpoints where client_id = $1 and id = $2)) e
              where d.client_id = $1 and d.event_id = w.event_id and d.id = w.id
                and (e.status <> 'enabled' or e.deleted_at is not null)`,
      values: [clientId, endpointId, CHUNK],
    })
    closed += rowCount ?? 0
    if ((rowCount ?? 0) < CHUNK) return closed
  }
}

/** Ends one delivery that still waits, without an attempt. */
export async function endPendingDelivery(
  db: Queryable,
  clientId: string,
  { eventId, id }: { eventId: string; id: string },
  state: 'skipped' | 'cancelled',
  reason: string,
): Promise<void> {
  await db.query(
    `update deliveries set state = $4, reason = $5, next_attempt_at = null, finished_at = now()
      where client_id = $1 and event_id = $2 and id = $3 and state = 'pending'`,
    [clientId, eventId, id, state, reason],
  )
}

/**
 * Disables an endpoint that has answered 410 Gone, or failed for days. A version other than the one that was sent to is
 * left alone: its address may be another by now. Returns whether it was disabled.
 */
export async function disableEndpoint(
  db: Queryable,
  clientId: string,
  { id, version }: { id: string; version: number },
  reason: 'gone' | 'failing',
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update endpoints set status = 'disabled', disabled_reason = $4, disabled_at = now(), ${ENDPOINT_CHANGED}
      where client_id = $1 and id = $2 and version = $3 and status = 'enabled'`,
    [clientId, id, version, reason],
  )
  return rowCount === 1
}
