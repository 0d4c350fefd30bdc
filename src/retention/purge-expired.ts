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
  /** The process is about to end: the rest is deleted next time. */
  isStopping?: () => boolean
}

interface PurgeOptions extends RetentionDays {
  /** Between recording a horizon and deleting what is before it, so that everything that had not read the horizon has ended. */
  graceSeconds?: number
  /** Time for tables without partitions; the rest of their rows is deleted next time. */
  budgetMs?: number
}

/** What a run has deleted: partitions by name, and rows counted by purge. */
export interface PurgeResult {
  partitions: string[]
  rows: Record<string, number>
}

const GRACE_SECONDS = 600
const BUDGET_MS = 60_000

/**
 * Deletes what is past its retention: payloads (raw bodies, bodies of events, attempts) after `payload` days, and the metadata
 * (source events, events, deliveries) after `metadata` days. Partitioned tables lose whole days, other tables rows in small
 * batches. It may be stopped at any moment, and the next run goes on from there.
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
