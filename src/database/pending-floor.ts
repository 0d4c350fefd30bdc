import { idFloor, LEAST_ID } from '../domain/ids.ts'
import { type Db, inTransaction, type Queryable } from './db.ts'

const HOUR_MS = 3_600_000
/** The floor stays so far behind now that what the fan-out makes never lies below it. */
const BEHIND_HOURS = 24
/** Deliveries of younger events need not be told: no transaction lasts for the hours in between. */
const YOUNG_HOURS = 12
/** Shared by transactions that have told, until they end; alone, by the one that moves the floor. */
const FLOOR_LOCK = `hashtextextended('flo-gateway pending floor', 0)`

/** SQL of the floor as the statement around it sees it: no delivery of an event before this one waits. */
export const PENDING_FLOOR = `coalesce((select event_id from pending_floor), '${LEAST_ID}')`

/**
 * The floor, for statements that are planned with it and so look at nothing but the days from there on. What is made of an
 * older event between the two is missed: for those who look again soon.
 */
export async function readPendingFloor(db: Queryable): Promise<string> {
  const { rows } = await db.query<{ floor: string }>(`select ${PENDING_FLOOR} as floor`)
  return rows[0]!.floor
}

/**
 * Tells that a delivery of this event is about to wait, in the transaction that makes it: whoever sees the delivery sees the
 * floor at it or below. To be called after deliveries are locked, if any are, so that all lock in one order.
 */
export async function announcePending(tx: Queryable, eventId: string, now = new Date()): Promise<void> {
  if (eventId < idFloor(new Date(now.getTime() - YOUNG_HOURS * HOUR_MS))) await lowerFloorIn(tx, eventId)
}

/** Lowers the floor that was found above something that waits. */
export const lowerFloor = (db: Db, eventId: string): Promise<void> =>
  inTransaction(db, (tx) => lowerFloorIn(tx, eventId))

async function lowerFloorIn(tx: Queryable, eventId: string): Promise<void> {
  // Two statements: the second has to see what was moved before it got the lock.
  await tx.query(`select pg_advisory_xact_lock_shared(${FLOOR_LOCK})`)
  await tx.query('update pending_floor set event_id = $1 where event_id > $1', [eventId])
}

/**
 * Moves the floor to the oldest event that has a delivery waiting; a day behind now where there is none older. Answers whether
 * it could: while a transaction that has told is open, what it makes cannot be seen yet, and the floor stays.
 */
export async function moveFloor(db: Db, now = new Date()): Promise<boolean> {
  const latest = idFloor(new Date(now.getTime() - BEHIND_HOURS * HOUR_MS))
  return inTransaction(db, async (tx) => {
    // Not waited for: all who tell would have to wait behind us.
    const { rows } = await tx.query<{ alone: boolean }>(`select pg_try_advisory_xact_lock(${FLOOR_LOCK}) as alone`)
    if (!rows[0]!.alone) return false
    const oldest = await tx.query<{ id: string }>(
      `select event_id as id from deliveries where state = 'pending' and event_id < $1 order by event_id limit 1`,
      [latest],
    )
    await tx.query('update pending_floor set event_id = $1 where event_id <> $1', [oldest.rows[0]?.id ?? latest])
    return true
  })
}
