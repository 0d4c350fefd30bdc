import type { Queryable } from '../database/db.ts'

/** The units that a claim has got or found: `held` by this worker now, or `elsewhere`, with another live worker. */
export interface ClaimedUnits {
  held: string[]
  elsewhere: string[]
}

/** Leases units of a client to this worker, as far as no other has them. One statement. */
export async function claimLeases(
  db: Queryable,
  clientId: string,
  units: string[],
  workerId: string,
): Promise<ClaimedUnits> {
  // Sorted in every process: two workers that claim the same units wait for each other in a line, not in a ring.
  const { rows } = await db.query<{ unit: string }>(
    `with claimed as (
       insert into leases (client_id, unit, worker_id)
       select $1, unit, $3 from unnest($2::text[]) unit order by unit
       on conflict (client_id, unit) do nothing
       returning unit)
     select unit from claimed
     union all
     select unit from leases where client_id = $1 and unit = any($2) and worker_id = $3`,
    [clientId, units, workerId],
  )
  const held = new Set(rows.map(({ unit }) => unit))
  return { held: [...held], elsewhere: units.filter((unit) => !held.has(unit)) }
}

/** Gives leases back; a unit that this worker does not hold is passed over. */
export async function releaseLeases(db: Queryable, clientId: string, units: string[], workerId: string): Promise<void> {
  await db.query('delete from leases where client_id = $1 and unit = any($2) and worker_id = $3', [
    clientId,
    units,
    workerId,
  ])
}
