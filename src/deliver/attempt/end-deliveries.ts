import type { Queryable } from '../../database/db.ts'
import { endEndpointDeliveries, MAX_ENDED_AT_ONCE } from '../../database/end-endpoint-deliveries.ts'
import { ENDPOINT_CHANGED } from '../../database/endpoint-version.ts'

/** Ends all pending deliveries of an endpoint that is disabled or deleted, statement by statement; returns how many. */
export async function endAllDeliveries(db: Queryable, clientId: string, endpointId: string): Promise<number> {
  for (let total = 0; ; ) {
    const ended = await endEndpointDeliveries(db, clientId, endpointId)
    total += ended
    if (ended < MAX_ENDED_AT_ONCE) return total
  }
}

/** Ends one delivery that still waits, without an attempt. */
export async function endPendingDelivery(
  db: Queryable,
  { clientId, eventId, id }: { clientId: string; eventId: string; id: string },
  { state, reason }: { state: 'skipped' | 'cancelled'; reason: string },
): Promise<void> {
  await db.query(
    `update deliveries set state = $4, reason = $5, next_attempt_at = null, finished_at = now()
      where client_id = $1 and event_id = $2 and id = $3 and state = 'pending'`,
    [clientId, eventId, id, state, reason],
  )
}

/**
 * Disables an endpoint that has answered 410 Gone, or failed for days. Only the version
 * that was sent to: a later one may have another address. Returns whether it was disabled.
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
