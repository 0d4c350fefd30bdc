import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'

/** The units that a claim has got or found: `held` by this worker now, or `elsewhere`, with another live worker. */
export interface ClaimedUnits {
  held: string[]
  elsewhere: string[]
}

const insertLeases = createRowInsert<{ clientId: string; unit: string; workerId: string }, { unit: string }>({
  name: 'workers.leases',
  table: 'leases',
  columns: { client_id: (l) => l.clientId, unit: (l) => l.unit, worker_id: (l) => l.workerId },
  end: 'on conflict (client_id, unit) do nothing returning unit',
})

/** Leases units of a client to this worker, as far as no other has them. */
export async function claimLeases(
  db: Queryable,
  clientId: string,
  units: string[],
  workerId: string,
): Promise<ClaimedUnits> {
  // Sorted in every process: two workers that claim the same units wait for each other in a line, not in a ring.
  const wanted = units.toSorted().map((unit) => ({ clientId, unit, workerId }))
  const held = new Set((await insertLeases(db, wanted)).map(({ unit }) => unit))
  const taken = units.filter((unit) => !held.has(unit))
  if (taken.length > 0) {
    const { rows } = await db.query<{ unit: string }>(
      'select unit from leases where client_id = $1 and unit = any($2) and worker_id = $3',
      [clientId, taken, workerId],
    )
    for (const { unit } of rows) held.add(unit)
  }
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
