import { setTimeout as delay } from 'node:timers/promises'
import type { Db } from '../../src/database/db.ts'
import { DAILY_TABLES } from '../../src/database/partitions.ts'
import { newId } from '../../src/domain/ids.ts'
import type { Log } from '../../src/log.ts'
import { dropExpiredDays } from '../../src/retention/days.ts'
import { CONTRACT } from '../seed.ts'
import type { Filled } from './fill.ts'

/** How long a write of the traffic took, while something went on. */
export interface Held {
  /** Milliseconds of each write. */
  writes: number[]
  /** Partitions that were made or dropped meanwhile, and the milliseconds of all. */
  partitions: number
  ms: number
}

const DAYS = 5
const DAY_MS = 86_400_000
const WRITERS = 3
const QUIET_MS = 4_000
const FIRST_AHEAD = 20

/** Makes days ahead and drops the oldest ones while events and deliveries are written as fast as they go. */
export async function daysUnderTraffic(
  db: Db,
  log: Log,
  filled: Filled,
): Promise<Record<'quiet' | 'making' | 'dropping', Held>> {
  let isOver = false
  let writes: number[] = []
  const writers = Array.from({ length: WRITERS }, async () => {
    while (!isOver) {
      const started = performance.now()
      await writeDay(db, filled)
      writes.push(performance.now() - started)
    }
  })
  const heldDays = async (work: () => Promise<number>): Promise<Held> => {
    writes = []
    const started = performance.now()
    const partitions = await work()
    return { writes, partitions, ms: performance.now() - started }
  }
  try {
    const quiet = await heldDays(async () => {
      await delay(QUIET_MS)
      return 0
    })
    const making = await heldDays(async () => {
      for (let day = 0; day < DAYS; day += 1)
        for (const parent of DAILY_TABLES)
          await db.query('select make_partition($1, $2)', [parent, new Date(Date.now() + (FIRST_AHEAD + day) * DAY_MS)])
      return DAYS * DAILY_TABLES.length
    })
    const before = new Date(Date.now() - (filled.days - 1 - DAYS) * DAY_MS)
    const dropping = await heldDays(async () => {
      const dropped = await dropExpiredDays({ db, log, stopped: () => false }, { payload: before, metadata: before })
      return dropped.length
    })
    return { quiet, making, dropping }
  } finally {
    isOver = true
    await Promise.all(writers)
  }
}

/** Four events with a delivery each, as one commit of the normaliser. */
async function writeDay(db: Db, { big, endpoints }: Filled): Promise<void> {
  const ids = endpoints.map(newId)
  await db.query(
    `with made as (
       insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
       select $1, id, id, $2, 'subscription.created', id::text, now() from unnest($3::uuid[]) id)
     insert into deliveries (client_id, event_id, id, endpoint_id, event_type)
     select $1, event_id, id, endpoint_id, 'subscription.created' from unnest($3::uuid[], $4::uuid[], $5::uuid[]) d(event_id, id, endpoint_id)`,
    [big, CONTRACT, ids, endpoints.map(newId), endpoints],
  )
}
