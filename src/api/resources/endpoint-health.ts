import type { Queryable } from '../../database/db.ts'

/**
 * Resets the health of an endpoint that was enabled again or has a new URL. Call it after changing the endpoint's row: results
 * of attempts under the previous version are then no longer recorded. With `stillFailing`, those who were notified that the
 * endpoint fails are notified when an attempt succeeds; without it, its next failure is reported as new.
 */
export async function forgetHealth(
  tx: Queryable,
  clientId: string,
  endpointId: string,
  { stillFailing }: { stillFailing: boolean },
): Promise<void> {
  await tx.query(
    `insert into endpoint_health (client_id, endpoint_id, version)
     select client_id, id, version from endpoints where client_id = $1 and id = $2
         on conflict (client_id, endpoint_id) do nothing`,
    [clientId, endpointId],
  )
  // Of its own, since Citus takes no parameter in `on conflict do update` of an `insert ... select`.
  await tx.query(
    `update endpoint_health h
        set version = e.version, recent = default, latest = default, failing_since = null, failures = 0,
            opened_at = null, probe_at = null, told = h.told and $3
       from endpoints e
      where e.client_id = $1 and e.id = $2 and h.client_id = $1 and h.endpoint_id = e.id`,
    [clientId, endpointId, stillFailing],
  )
}
