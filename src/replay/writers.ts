import type { Queryable } from '../db.ts'
import type { Stop } from '../leased-runs.ts'

const LOOK_MS = 20
/** Nobody writes for so long but what no fan-out has to do with: an index that is built, a session that was forgotten. */
const PATIENCE_MS = 15_000

/**
 * Waits until every transaction that writes now has ended. A fan-out under way may have chosen its endpoints before this one
 * was there or enabled, and its events are not to be seen yet: whoever looked for missing ones now would never find them.
 * A fan-out that begins later finds the endpoint.
 */
export async function writersEnded(db: Queryable, { stopped, pause }: Stop): Promise<void> {
  const { rows } = await db.query('select pg_snapshot_xmax(pg_current_snapshot())::text as next')
  const patientUntil = performance.now() + PATIENCE_MS
  while (!stopped() && performance.now() < patientUntil) {
    const ended = await db.query('select pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8 as ended', [rows[0].next])
    if (ended.rows[0].ended) return
    await pause(LOOK_MS)
  }
}
