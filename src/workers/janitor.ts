import { queryAnsweringNodes } from '../database/away-nodes.ts'
import { type Db, inTransaction } from '../database/db.ts'
import type { Log } from '../log.ts'
import { noteInterruptedLanes } from './interrupted-lanes.ts'
import { WAKE_CHANNEL } from './worker-session.ts'

interface DeadWorker {
  id: string
  host: string
  pid: number
  /** The Graphile Worker pool that locked jobs for it. */
  pool: string | null
  processId: string | null
}

/**
 * Frees what dead workers held: their leases, and the jobs that Graphile Worker would keep locked for hours. Tells every
 * process to sweep when there was any, and returns their ids. The leases are freed in transactions of their own: while a node of
 * a cluster is away, its leases stay until it is back, and all others are freed at once.
 */
export async function freeDeadWorkers({ db, log }: { db: Db; log: Log }): Promise<string[]> {
  const dead = await strikeOffDead(db)
  const leases = await freeOrphanLeases(db, dead)
  if (dead.length === 0 && leases === 0) return []
  await db.query('select pg_notify($1, $2)', [WAKE_CHANNEL, 'sweep'])
  log.warn({ dead, leases }, 'worker.dead_freed')
  return dead.map(({ id }) => id)
}

const strikeOffDead = (db: Db): Promise<DeadWorker[]> =>
  inTransaction(db, async (tx) => {
    // A lock that can be taken belongs to no live worker. Of several janitors one gets it, until the transaction ends.
    const { rows: dead } = await tx.query<DeadWorker>(
      `delete from workers where pg_try_advisory_xact_lock(lock_key)
       returning id, host, pid, graphile_pool as pool, process_id as "processId"`,
    )
    const pools = dead.flatMap(({ pool }) => pool ?? [])
    if (pools.length > 0) await tx.query('select graphile_worker.force_unlock_workers($1::text[])', [pools])
    return dead
  })

/**
 * Frees leases by their worker's absence from the list, not by name: a claim that was on its way when its worker was struck
 * off is found as well. Leases may lie on other machines than workers (docs/scaling.md), so the two are read apart, and leases
 * first: whoever has one was on the list before, so one who is not there by now is gone.
 */
async function freeOrphanLeases(db: Db, dead: readonly DeadWorker[]): Promise<number> {
  const { rows: holders } = await queryAnsweringNodes<{ id: string }>(
    db,
    (whose) => `select distinct worker_id as id from leases where ${whose}`,
  )
  if (holders.length === 0) return 0
  const { rows: living } = await db.query<{ id: string; processId: string | null }>(
    'select id, process_id as "processId" from workers',
  )
  const gone = holders.map(({ id }) => id).filter((id) => !living.some((worker) => worker.id === id))
  if (gone.length === 0) return 0
  const processes = new Map(dead.flatMap(({ id, processId }) => (processId === null ? [] : [[id, processId] as const])))
  // One that has only lost its session lives on under another id.
  const isAlive = (id: string) => living.some(({ processId }) => processId !== null && processId === processes.get(id))
  await noteInterruptedLanes(
    db,
    [...new Set(gone)].filter((id) => !isAlive(id)),
    processes,
  )
  const { count } = await queryAnsweringNodes(
    db,
    (whose) => `delete from leases where worker_id = any($1::uuid[]) and ${whose}`,
    [[...new Set(gone)]],
  )
  return count
}
