import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import { dropDays } from './days.ts'
import { type Kept, moveHorizons, settledHorizons } from './horizons.ts'
import { purges } from './purges.ts'
import { purgeRound } from './rounds.ts'

interface Deps {
  db: Db
  log: Log
  now: () => Date
  /** The process ends: what is left goes next time. */
  stopped?: () => boolean
}

interface Asked extends Kept {
  /** Between saying that something is past its retention and taking it away: whoever has not read that yet has ended. */
  graceSeconds?: number
  /** Time for rows that go one by one; the rest of them goes next time. */
  budgetMs?: number
}

/** What a run has taken away. */
export interface Retained {
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
export async function retain(
  { db, log, now, stopped = () => false }: Deps,
  { graceSeconds = GRACE_SECONDS, budgetMs = BUDGET_MS, ...kept }: Asked,
): Promise<Retained> {
  await moveHorizons(db, kept, now())
  const settled = await settledHorizons(db, graceSeconds)
  const partitions = await dropDays({ db, log, stopped }, settled)
  const rows: Retained['rows'] = {}
  const until = performance.now() + budgetMs
  const isOver = () => stopped() || performance.now() > until
  for (const purge of purges(settled, now(), kept.metadata)) {
    if (isOver()) break
    const gone = await purgeRound(db, purge, isOver)
    if (gone > 0) rows[purge.name] = gone
  }
  if (partitions.length > 0 || Object.keys(rows).length > 0) log.info({ partitions, rows }, 'retention.purged')
  return { partitions, rows }
}
