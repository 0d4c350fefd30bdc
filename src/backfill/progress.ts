import type { Queryable } from '../database/db.ts'
import type { EventCounts } from './state.ts'

/** How far a backfill has come, and what it has found. */
export interface BackfillProgress {
  id: string
  state: 'running' | 'completed' | 'failed' | 'cancelled'
  since: Date
  until: Date
  readUntil: Date
  counts: Record<string, EventCounts>
  /** Why it failed, or why its last call did. */
  reason: string | null
}

/** Reads how far a backfill has come; undefined when there is none with this id. */
export async function readBackfillProgress(db: Queryable, id: string): Promise<BackfillProgress | undefined> {
  const { rows } = await db.query<BackfillProgress>(
    `select b.id, b.state, b.since, b.until, b.read_until as "readUntil", b.counts, b.reason_message as reason
       from clients c join backfills b on b.client_id = c.id and b.id = $1`,
    [id],
  )
  return rows[0]
}
