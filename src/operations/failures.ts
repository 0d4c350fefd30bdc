import { LRUCache } from 'lru-cache'
import type { Queryable } from '../database/db.ts'
import { queryEachClient } from '../database/each-client.ts'
import { isSourceOf } from '../database/source-owner.ts'
import type { NormalizedBatch } from '../watch.ts'
import { raiseAlarm } from './alarms.ts'
import type { Finding } from './emit.ts'

/** After an hour without it, the same failure of a source is reported again. */
export const QUIET_SECONDS = 3_600
/** Unreported failures are looked for among the newest of each client, well within QUIET_SECONDS. */
export const RECENT = { seconds: 1_800, failures: 500 }
/** How often a process checks whether a lasting failure is to be reported: a thousand a second must cost nothing. */
export const CHECK_MS = 60_000

export interface MappingFailure {
  sourceId: string
  code: string
  message: string | null
  sourceEventId: string
  sourceEventType: string
}

/** The reason of a source event that was sent with a part of its lines: as much trouble as one that was not sent. */
const LINES_UNTOLD = 'lines_untold'

/** Listens to every batch, and calls `onFailed` with the first mapping failure of each source and code, once a minute. */
export function createFailureListener(onFailed: (clientId: string, failure: MappingFailure) => void) {
  const recentlyChecked = new LRUCache<string, true>({ max: 10_000, ttl: CHECK_MS })
  return ({ outcomes }: NormalizedBatch) => {
    for (const { clientId, id, sourceId, type, state, code, message } of outcomes) {
      const isTrouble = state === 'failed' || code === LINES_UNTOLD
      if (!isTrouble || code === null) continue
      const key = `${sourceId} ${code}`
      if (recentlyChecked.has(key)) continue
      recentlyChecked.set(key, true)
      onFailed(clientId, { sourceId, code, message, sourceEventId: id, sourceEventType: type })
    }
  }
}

/** Events of a source cannot be mapped, for one reason: reported once until it has been quiet for an hour. */
export const createFailureFinding =
  (clientId: string, { sourceId, ...failure }: MappingFailure, now: () => Date): Finding =>
  async (tx) => {
    const type = 'mapping.failed'
    const subject = `${sourceId} ${failure.code}`
    const since = await raiseAlarm(tx, { clientId, type, subject }, QUIET_SECONDS)
    if (!since) return null
    const { rows } = await tx.query<{ name: string | null }>(
      `select name from sources s where id = $2 and ${isSourceOf('s', '$1')}`,
      [clientId, sourceId],
    )
    return {
      type,
      clientId,
      key: `${type} ${subject} ${since.toISOString()}`,
      occurredAt: now(),
      about: { source: { id: sourceId, name: rows[0]?.name ?? null }, failure },
    }
  }

/**
 * The first failure of each source and code that has no alarm: the process that met it died before it was reported, or could not
 * report it.
 */
export const findRecentFailures = (db: Queryable): Promise<(MappingFailure & { clientId: string })[]> =>
  queryEachClient<MappingFailure & { clientId: string }>(
    db,
    (client) => `
      select distinct on (f.source_id, f.reason_code) ${client} as "clientId", f.source_id as "sourceId",
             f.reason_code as code, f.reason_message as message, f.id as "sourceEventId", f.type as "sourceEventType"
        from (
          (select source_id, reason_code, reason_message, id, type from source_events
            where client_id = ${client} and state = 'failed' and id >= uuid7_floor(now() - make_interval(secs => $1))
            order by id desc limit $2)
          union all
          (select source_id, reason_code, reason_message, id, type from source_events
            where client_id = ${client} and reason_code = '${LINES_UNTOLD}' and state = 'normalized'
              and id >= uuid7_floor(now() - make_interval(secs => $1))
            order by id desc limit $2)) f
       where not exists (select from alarms where client_id = ${client} and type = 'mapping.failed'
                            and subject = f.source_id || ' ' || f.reason_code)
       order by f.source_id, f.reason_code, f.id`,
    [RECENT.seconds, RECENT.failures],
    { passOverAway: true },
  )
