import type { Queryable } from '../database/db.ts'
import type { Count } from './state.ts'

/** How far a backfill is, and what it has found. */
export interface Progress {
  id: string
  state: 'running' | 'completed' | 'failed' | 'cancelled'
  since: Date
  until: Date
  readUntil: Date
  counts: Record<string, Count>
  /** Why it has failed, or what it waits for. */
  reason: string | null
}

/** Undefined when there is no such backfill. */
export async function progressOf(db: Queryable, id: string): Promise<Progress | undefined> {
  const { rows } = await db.query<Progress>(
    `select b.id, b.state, b.since, b.until, b.read_until as "readUntil", b.counts, b.reason_message as reason
       from clients c join backfills b on b.client_id = c.id and b.id = $1`,
    [id],
  )
  return rows[0]
}
