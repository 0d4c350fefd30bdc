import type { Queryable } from '../../database/db.ts'

/**
 * Forgets what an endpoint's attempts have met: it is enabled again, or has another URL. After its row was changed: what an
 * attempt under the older version meets is not written any more. With `stillFailing`, whoever was told that it fails will be
 * told when an attempt gets through; without, its next failing is news.
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
         on conflict (client_id, endpoint_id) do update
        set version = excluded.version, recent = default, failing_since = null, failures = 0,
            opened_at = null, probe_at = null, told = endpoint_health.told and $3`,
    [clientId, endpointId, stillFailing],
  )
}
