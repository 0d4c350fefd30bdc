import type { Queryable } from '../database/db.ts'
import type { StopSignal } from '../workers/leased-runs.ts'

const POLL_MS = 20
/** No fan-out writes for so long; what does is something else, such as an index being built or a forgotten session. */
const MAX_WAIT_MS = 15_000

const SNAPSHOT_SQL = 'pg_current_snapshot()'
/** On Citus the transactions to wait for are those of the node that has the client's rows: reading one of them asks that node. */
const ON_CLIENT_NODE_SQL = 'left join (select id from events where client_id = $1 limit 1) one on true'

/**
 * Waits until every transaction that is writing now, on the node of the client's rows, has ended. A fan-out in progress may
 * have chosen its endpoints before this one existed or was enabled, and its events are not visible yet: a search for missing
 * events would overlook them now and never come back. A fan-out that begins later finds the endpoint.
 */
export async function waitForWriters(
  db: Queryable,
  clientId: string,
  { isStopped: stopped, pause }: StopSignal,
): Promise<void> {
  const { rows } = await db.query(
    `select s.next from (select pg_snapshot_xmax(${SNAPSHOT_SQL})::text as next) s ${ON_CLIENT_NODE_SQL}`,
    [clientId],
  )
  const waitUntil = performance.now() + MAX_WAIT_MS
  while (!stopped() && performance.now() < waitUntil) {
    const ended = await db.query(
      `select s.oldest >= $2::xid8 as ended from (select pg_snapshot_xmin(${SNAPSHOT_SQL}) as oldest) s ${ON_CLIENT_NODE_SQL}`,
      [clientId, rows[0].next],
    )
    if (ended.rows[0].ended) return
    await pause(POLL_MS)
  }
}
