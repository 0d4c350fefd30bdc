import { type Db, inTransaction } from './db.ts'
import type { Log } from './log.ts'
import { WAKE } from './worker-session.ts'

/**
 * Frees what dead workers held: their leases, and the jobs that Graphile Worker would keep locked for hours. Tells every
 * process to sweep when there was any, and returns their ids.
 */
export function freeTheDead({ db, log }: { db: Db; log: Log }): Promise<string[]> {
  return inTransaction(db, async (tx) => {
    // A lock that can be had belongs to nobody alive. Of several janitors one gets it, until the transaction ends.
    const { rows: dead } = await tx.query(
      'delete from workers where pg_try_advisory_xact_lock(lock_key) returning id, host, pid, graphile_pool as pool',
    )
    // By absence from the list, not by name: a claim that was on its way when its worker was struck off is found as well.
    const { rowCount: leases } = await tx.query(
      'delete from leases where not exists (select from workers where workers.id = worker_id)',
    )
    if (dead.length === 0 && leases === 0) return []
    const pools = dead.flatMap(({ pool }) => pool ?? [])
    if (pools.length > 0) await tx.query('select graphile_worker.force_unlock_workers($1::text[])', [pools])
    await tx.query('select pg_notify($1, $2)', [WAKE, 'sweep'])
    log.warn({ dead, leases }, 'worker.dead_freed')
    return dead.map(({ id }) => id)
  })
}
