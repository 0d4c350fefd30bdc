import { createClientStatement } from '../database/client-statement.ts'
import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'

/** A unit of work of a client: `lane:<n>`, `endpoint:<id>`, `hydrate`. */
export interface ClientUnit {
  clientId: string
  unit: string
}

/** The units that a claim has got or found: `held` by this worker now, or `elsewhere`, with another live worker. */
export interface ClaimedUnits {
  held: ClientUnit[]
  elsewhere: ClientUnit[]
}

const insertLeases = createRowInsert<ClientUnit & { workerId: string }, ClientUnit>({
  name: 'workers.leases',
  table: 'leases',
  columns: { client_id: (l) => l.clientId, unit: (l) => l.unit, worker_id: (l) => l.workerId },
  end: 'on conflict (client_id, unit) do nothing returning client_id as "clientId", unit',
})

const selectHeld = createClientStatement<ClientUnit>({
  name: 'workers.held_leases',
  text: (tie) => `
    select l.client_id as "clientId", l.unit
      from unnest($1::uuid[], $2::text[]) w(client_id, unit)
      join leases l on l.client_id = w.client_id and l.unit = w.unit
     where l.worker_id = $3 ${tie('l.client_id')}`,
})

// The lists as sub-selects: a plan that knew how long they are would read all leases for a large batch, which look-ups by key do not.
const deleteLeases = createClientStatement<never>({
  name: 'workers.release_leases',
  text: (tie) => `
    delete from leases l using unnest((select $1::uuid[]), (select $2::text[])) w(client_id, unit)
     where l.client_id = w.client_id and l.unit = w.unit and l.worker_id = $3 ${tie('l.client_id')}`,
})

const keyOf = ({ clientId, unit }: ClientUnit) => `${clientId} ${unit}`
const clientsOf = (units: readonly ClientUnit[]) => units.map(({ clientId }) => clientId)
const columnsOf = (units: readonly ClientUnit[]) => [clientsOf(units), units.map(({ unit }) => unit)]

/** Leases units to this worker, as far as no other has them. The clients are of one group (client-groups.ts). */
export async function claimLeases(
  db: Queryable,
  units: readonly ClientUnit[],
  workerId: string,
): Promise<ClaimedUnits> {
  // Sorted in every process: two workers that claim the same units wait for each other in a line, not in a ring.
  const wanted = units.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)).map((unit) => ({ ...unit, workerId }))
  const held = new Set((await insertLeases(db, wanted)).map(keyOf))
  const taken = units.filter((unit) => !held.has(keyOf(unit)))
  if (taken.length > 0) {
    const { rows } = await selectHeld(db, clientsOf(taken), [...columnsOf(taken), workerId])
    for (const unit of rows) held.add(keyOf(unit))
  }
  return {
    held: units.filter((unit) => held.has(keyOf(unit))),
    elsewhere: units.filter((unit) => !held.has(keyOf(unit))),
  }
}

/** Gives leases back; a unit that this worker does not hold is passed over. The clients are of one group. */
export async function releaseLeases(db: Queryable, units: readonly ClientUnit[], workerId: string): Promise<void> {
  await deleteLeases(db, clientsOf(units), [...columnsOf(units), workerId])
}
