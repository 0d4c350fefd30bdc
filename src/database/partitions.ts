import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../log.ts'
import { isDeadlock, isNodeAway, type Queryable } from './db.ts'

/** The tables that have a partition for each day, by the time that a UUIDv7 carries; see sql/. */
export const DAILY_TABLES = ['source_event_bodies', 'events', 'event_bodies', 'deliveries', 'attempts'] as const
export type DailyTable = (typeof DAILY_TABLES)[number]

/** How many days ahead of today partitions exist. */
const DAYS_AHEAD = 3
const TRIES = 5
const PAUSE_MS = 300
const LOCK_TIMEOUT = '55P03'

/**
 * Runs work that waits for a lock only briefly, and tries again when it does not get it; false: the lock was held each time. On
 * Citus a change of partitions and one of rows may also deadlock across two nodes (citusdata/citus#5135).
 */
export async function retryWhileLocked(work: () => Promise<unknown>): Promise<boolean> {
  for (let triesLeft = TRIES; triesLeft > 0; triesLeft -= 1) {
    try {
      await work()
      return true
    } catch (error) {
      if ((error as { code?: string }).code !== LOCK_TIMEOUT && !isDeadlock(error)) throw error
      if (triesLeft > 1) await delay(PAUSE_MS * (1 + Math.random()))
    }
  }
  return false
}

/**
 * Makes the missing partitions from yesterday to three days ahead; returns how many were made. One that cannot be made now is no
 * emergency: the rows of its day go into the table's default partition.
 */
export async function makePartitions({ db, log }: { db: Queryable; log: Log }): Promise<number> {
  const { rows: missing } = await db.query<{ parent: DailyTable; day: string }>(
    `select parent, to_char(day, 'YYYY-MM-DD') as day
       from unnest($1::text[]) parent, generate_series(-1, $2) n,
            lateral (select (now() at time zone 'UTC')::date + n) d(day)
      where to_regclass(parent || '_' || to_char(day, 'YYYYMMDD')) is null
      order by day, parent`,
    [DAILY_TABLES, DAYS_AHEAD],
  )
  let madeCount = 0
  for (const { parent, day } of missing) {
    const isSettled = await retryWhileLocked(async () => {
      const { rows } = await db.query('select make_partition($1, $2) as result', [parent, day])
      if (rows[0].result === 'made') madeCount += 1
      if (rows[0].result === 'taken') log.warn({ parent, day }, 'partitions.rows_in_default')
    }).catch((err) => {
      if (!isNodeAway(err)) throw err
      log.warn({ parent, day, err }, 'partitions.node_away')
      return true
    })
    if (!isSettled) log.warn({ parent, day }, 'partitions.locked')
  }
  return madeCount
}
