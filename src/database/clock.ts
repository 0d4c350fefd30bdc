import type { Queryable } from './db.ts'
import { firstRow } from './rows.ts'

/** When the database read its clock, between two moments of `performance.now()` here. */
export interface ClockSample {
  at: Date
  sentAt: number
  receivedAt: number
}

export interface DatabaseClock {
  /** What the database's clock says now, to some milliseconds. */
  now(): Date
  /**
   * The latest that it may say now: never before what it does say. An id by it is not older than the transaction that writes it.
   */
  latest(): Date
  /** Takes a sample in, unless what is known already is more exact. */
  learn(sample: ClockSample): void
}

// More than the clocks of machines drift apart in a second.
const DRIFT = 0.001

/** A clock that knows what the database's says now, for work that lasts seconds. */
export async function learnClock(db: Queryable): Promise<DatabaseClock> {
  const clock = createDatabaseClock()
  clock.learn(await sampleClock(db))
  return clock
}

/** Asks the database what its clock says. */
export async function sampleClock(db: Queryable): Promise<ClockSample> {
  const sentAt = performance.now()
  const { rows } = await db.query<{ at: Date }>('select clock_timestamp() as at')
  return { at: firstRow(rows).at, sentAt, receivedAt: performance.now() }
}

/**
 * The one clock for durations: what is stored as due, held, live or done is compared with the database's clock, by every process
 * and by statements, so that no clock of a machine has a say. It runs on by this process's monotonic timer between two samples.
 */
export function createDatabaseClock(): DatabaseClock {
  let known = { at: Date.now(), measuredAt: performance.now(), error: Number.POSITIVE_INFINITY }
  const sinceThen = () => performance.now() - known.measuredAt
  // Without a sample nothing is known of the error, and nothing is stored yet.
  const errorNow = () => (Number.isFinite(known.error) ? known.error + DRIFT * sinceThen() : 0)
  return {
    now: () => new Date(known.at + sinceThen()),
    latest: () => new Date(known.at + sinceThen() + errorNow()),
    learn({ at, sentAt, receivedAt }) {
      const measuredAt = (sentAt + receivedAt) / 2
      const error = (receivedAt - sentAt) / 2 + 1
      const knownError = known.error + DRIFT * (measuredAt - known.measuredAt)
      const difference = Math.abs(at.getTime() - (known.at + measuredAt - known.measuredAt))
      // A difference that neither sample's error explains: the clock was set, or another server answers.
      if (error <= knownError || difference > error + knownError) known = { at: at.getTime(), measuredAt, error }
    },
  }
}
