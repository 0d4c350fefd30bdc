import { queryAnsweringNodes } from '../database/away-nodes.ts'
import type { Db } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'

interface Lane {
  clientId: string
  lane: number
  processId: string
}

const insertLanes = createRowInsert<Lane>({
  name: 'workers.interrupted_lanes',
  table: 'interrupted_lanes',
  columns: { client_id: (l) => l.clientId, lane: (l) => l.lane, process_id: (l) => l.processId },
  end: 'on conflict (client_id, lane, process_id) do nothing',
})

/**
 * Notes the lanes that dead workers held, before their leases are freed: one of the events in work may have ended the process, so
 * that whoever takes the lanes up next tries their events one at a time. `processes`: of each worker, where it is known.
 */
export async function noteInterruptedLanes(
  db: Db,
  workerIds: readonly string[],
  processes: ReadonlyMap<string, string>,
): Promise<void> {
  if (workerIds.length === 0) return
  const { rows } = await queryAnsweringNodes<{ clientId: string; unit: string; workerId: string }>(
    db,
    (whose) =>
      `select client_id as "clientId", unit, worker_id as "workerId" from leases where worker_id = any($1::uuid[]) and unit like 'lane:%' and ${whose}`,
    [[...workerIds]],
  )
  await insertLanes(
    db,
    rows.map(({ clientId, unit, workerId }) => ({
      ...{ clientId, lane: Number(unit.slice('lane:'.length)) },
      processId: processes.get(workerId) ?? workerId,
    })),
  )
}

/** The process had lost its session alone: it lives, so that nothing of its lanes has ended it. */
export async function forgetInterruption(db: Db, processId: string): Promise<void> {
  await queryAnsweringNodes(db, (whose) => `delete from interrupted_lanes where process_id = $1 and ${whose}`, [
    processId,
  ])
}
