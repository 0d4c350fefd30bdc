import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import { dropExpiredDays } from './days.ts'
import { moveHorizons, type RetentionDays, readSettledHorizons } from './horizons.ts'
import { purgesPast } from './purges.ts'
import { purgeRound } from './rounds.ts'

interface Deps {
  db: Db
  log: Log
  now: () => Date
  /** The process ends: what is left goes next time. */
  isStopping?: () => boolean
}

interface PurgeOptions extends RetentionDays {
  /** Between saying that something is past its retention and taking it away: whoever has not read that yet has ended. */
  graceSeconds?: number
  /** Time for rows that go one by one; the rest of them goes next time. */
  budgetMs?: number
}

/** What a run has taken away. */
export interface PurgeResult {
  partitions: string[]
  rows: Record<string, number>
}

const GRACE_SECONDS = 600
const BUDGET_MS = 60_000

/**
 * Takes away what is past its retention: payloads (raw bodies, bodies of events, attempts) after `payload` days, what says that
 * there was something (source events, events, deliveries) after `metadata` days. Days go whole, as partitions; rows of the
 * other tables in small batches. It may be stopped at any moment and goes on where it was.
 */
export async function purgeExpired(
  { db, log, now, isStopping: stopped = () => false }: Deps,
  { graceSeconds = GRACE_SECONDS, budgetMs = BUDGET_MS, ...days }: PurgeOptions,
): Promise<PurgeResult> {
  await moveHorizons(db, days, now())
  const settled = await readSettledHorizons(db, graceSeconds)
  const partitions = await dropExpiredDays({ db, log, stopped }, settled)
  const rows: PurgeResult['rows'] = {}
  const until = performance.now() + budgetMs
  const isOver = () => stopped() || performance.now() > until
  for (const purge of purgesPast(settled, now(), days.metadata)) {
    if (isOver()) break
    const deletedRows = await purgeRound(db, purge, isOver)
    if (deletedRows > 0) rows[purge.name] = deletedRows
  }
  if (partitions.length > 0 || Object.keys(rows).length > 0) log.info({ partitions, rows }, 'retention.purged')
  return { partitions, rows }
}
