import type { Queryable } from '../db.ts'

/**
 * A fact has arrived from outside the event stream (a user was registered, say): held events that miss it go on at once.
 * Facts read `client_user_id:<customer>` or `subscription:<id>`. Answers how many were released; wake the normaliser then.
 */
export async function factArrived(db: Queryable, clientId: string, facts: readonly string[]): Promise<number> {
  const { rowCount } = await db.query(
    `update source_events set due_at = now()
      where client_id = $1 and state = 'held' and held_for && $2::text[] and due_at > now()`,
    [clientId, facts],
  )
  return rowCount ?? 0
}
