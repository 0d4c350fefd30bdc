import { queryAnsweringNodes } from '../database/away-nodes.ts'
import type { Db } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'

interface Lane {
  clientId: string
  lane: number
}

const insertLanes = createRowInsert<Lane>({
  name: 'workers.interrupted_lanes',
  table: 'interrupted_lanes',
  columns: { client_id: (l) => l.clientId, lane: (l) => l.lane },
  end: 'on conflict (client_id, lane) do nothing',
})

/**
 * Notes the lanes that dead workers held, before their leases are freed: one of the events in work may have ended the process, so
 * that whoever takes the lanes up next tries their events one at a time.
 */
export async function noteInterruptedLanes(db: Db, workerIds: readonly string[]): Promise<void> {
  const { rows } = await queryAnsweringNodes<{ clientId: string; unit: string }>(
    db,
    (whose) =>
      `select client_id as "clientId", unit from leases where worker_id = any($1::uuid[]) and unit like 'lane:%' and ${whose}`,
    [[...workerIds]],
  )
  await insertLanes(
    db,
    rows.map(({ clientId, unit }) => ({ clientId, lane: Number(unit.slice('lane:'.length)) })),
  )
}
