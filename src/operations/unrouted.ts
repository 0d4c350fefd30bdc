import { LRUCache } from 'lru-cache'
import type { Queryable } from '../database/db.ts'
import { OPERATOR_CLIENT } from '../domain/ids.ts'
import type { RoutedEvent } from '../watch.ts'
import { raiseAlarm } from './alarms.ts'
import type { Finding } from './emit.ts'
import { CHECK_MS, type MappingFailure, QUIET_SECONDS, RECENT } from './failures.ts'

export const UNROUTED = 'source_event.unrouted'

/** Listens to what is routed, and calls `onUnrouted` with the first event of each source and code that nobody's is, once a minute. */
export function createUnroutedListener(onUnrouted: (failure: MappingFailure) => void) {
  const recentlyChecked = new LRUCache<string, true>({ max: 10_000, ttl: CHECK_MS })
  return (events: readonly RoutedEvent[]) => {
    for (const { id, sourceId, type, state, code, message } of events) {
      if (state !== 'unrouted' || code === null) continue
      const key = `${sourceId} ${code}`
      if (recentlyChecked.has(key)) continue
      recentlyChecked.set(key, true)
      onUnrouted({ sourceId, code, message, sourceEventId: id, sourceEventType: type })
    }
  }
}

/** Events of a source that routes are nobody's, for one reason: reported once until it has been quiet for an hour. */
export const createUnroutedFinding =
  ({ sourceId, ...failure }: MappingFailure, now: () => Date): Finding =>
  async (tx) => {
    const subject = `${sourceId} ${failure.code}`
    const clientId = OPERATOR_CLIENT
    const since = await raiseAlarm(tx, { clientId, type: UNROUTED, subject }, QUIET_SECONDS)
    if (!since) return null
    const { rows } = await tx.query<{ name: string | null }>('select name from sources where id = $1', [sourceId])
    return {
      type: UNROUTED,
      clientId,
      key: `${UNROUTED} ${subject} ${since.toISOString()}`,
      occurredAt: now(),
      about: { source: { id: sourceId, name: rows[0]?.name ?? null }, failure },
    }
  }

/** The first of each source and code that has no alarm: the process that routed it died before that was reported. */
export async function findRecentUnrouted(db: Queryable): Promise<MappingFailure[]> {
  const { rows } = await db.query<MappingFailure>(
    `select distinct on (f.source_id, f.reason_code) f.source_id as "sourceId", f.reason_code as code, f.reason_message as message,
            f.id as "sourceEventId", f.type as "sourceEventType"
       from (select source_id, reason_code, reason_message, id, type from source_events
              where client_id = $1 and state = 'unrouted' and id >= uuid7_floor(now() - make_interval(secs => $2))
              order by id desc limit $3) f
      where not exists (select from alarms a where a.client_id = $1 and a.type = $4 and a.subject = f.source_id || ' ' || f.reason_code)
      order by f.source_id, f.reason_code, f.id`,
    [OPERATOR_CLIENT, RECENT.seconds, RECENT.failures, UNROUTED],
  )
  return rows
}
