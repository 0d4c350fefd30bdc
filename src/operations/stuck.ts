import { readStuckSourceEvents, type StuckSourceEvent } from '../database/backlog.ts'
import type { Queryable } from '../database/db.ts'
import { isSourceOf } from '../database/source-owner.ts'
import { clearAlarm, listAlarms, raiseAlarm } from './alarms.ts'
import type { Finding } from './emit.ts'

const TYPE = 'source_event.stuck'

/** The source events to report that stand still while others move: the longest of each source, once until it has none. */
export async function findStuckSourceEvents(
  db: Queryable,
  { lanes, now }: { lanes: number; now: () => Date },
): Promise<Finding[]> {
  const longest = new Map<string, StuckSourceEvent>()
  for (const one of await readStuckSourceEvents(db, lanes))
    if ((longest.get(one.sourceId)?.seconds ?? 0) < one.seconds) longest.set(one.sourceId, one)
  for (const alarm of await listAlarms(db, TYPE)) if (!longest.has(alarm.subject)) await clearAlarm(db, alarm)
  return [...longest.values()].map((stuck) => createStuckFinding(stuck, now))
}

const createStuckFinding =
  ({ clientId, sourceId, id, type, at, seconds }: StuckSourceEvent, now: () => Date): Finding =>
  async (tx) => {
    const since = await raiseAlarm(tx, { clientId, type: TYPE, subject: sourceId })
    if (!since) return null
    const { rows } = await tx.query<{ name: string | null }>(
      `select name from sources s where id = $2 and ${isSourceOf('s', '$1')}`,
      [clientId, sourceId],
    )
    return {
      type: TYPE,
      clientId,
      key: `${TYPE} ${sourceId} ${since.toISOString()}`,
      occurredAt: now(),
      about: {
        source: { id: sourceId, name: rows[0]?.name ?? null },
        sourceEvent: { id, type, dueAt: at.toISOString(), seconds: Math.floor(seconds) },
      },
    }
  }
