import { idFloor, LEAST_ID } from '../domain/ids.ts'
import { type Db, inTransaction, type Queryable } from './db.ts'
import { firstRow } from './rows.ts'

const HOUR_MS = 3_600_000
/** The floor stays this far behind now, so that deliveries of the fan-out are never below it. */
const BEHIND_HOURS = 24
/** Deliveries of younger events need not be announced: no transaction lasts for the hours in between. */
const YOUNG_HOURS = 12
/** Held shared by transactions that announce a delivery, until they end; exclusively by the one that moves the floor. */
const FLOOR_LOCK = `hashtextextended('flo-gateway pending floor', 0)`

/** As SQL, the floor as the surrounding statement sees it: no delivery of an event before it is pending. */
export const PENDING_FLOOR = `coalesce((select event_id from pending_floor), '${LEAST_ID}')`

/**
 * The floor as a value, for statements that are planned with it and so read only the days from there on. A delivery of an older
 * event that is made in between is missed: only for callers that look again soon.
 */
export async function readPendingFloor(db: Queryable): Promise<string> {
  const { rows } = await db.query<{ floor: string }>(`select ${PENDING_FLOOR} as floor`)
  return firstRow(rows).floor
}

/**
 * Lowers the floor for a delivery of this event that becomes pending, in the transaction that makes it: whoever sees the delivery
 * sees the floor at or below it. Call it after deliveries are locked, if any are, so that everybody locks in one order.
 */
export async function announcePending(tx: Queryable, eventId: string, now = new Date()): Promise<void> {
  if (eventId < idFloor(new Date(now.getTime() - YOUNG_HOURS * HOUR_MS))) await lowerFloorIn(tx, eventId)
}

/** Lowers the floor when a pending delivery was found below it. */
export const lowerFloor = (db: Db, eventId: string): Promise<void> =>
  inTransaction(db, (tx) => lowerFloorIn(tx, eventId))

async function lowerFloorIn(tx: Queryable, eventId: string): Promise<void> {
  // Two statements: the second has to see a move that was made before it got the lock.
  await tx.query(`select pg_advisory_xact_lock_shared(${FLOOR_LOCK})`)
  await tx.query('update pending_floor set event_id = $1 where event_id > $1', [eventId])
}

/**
 * Moves the floor to the oldest event that has a pending delivery, or to a day behind now when there is none older. Returns
 * whether it could: while an announcing transaction is open, its deliveries cannot be seen yet, and the floor stays.
 */
export async function moveFloor(db: Db, now = new Date()): Promise<boolean> {
  const latest = idFloor(new Date(now.getTime() - BEHIND_HOURS * HOUR_MS))
  return inTransaction(db, async (tx) => {
    // Not waited for: all who announce would have to wait behind us.
    const { rows } = await tx.query<{ locked: boolean }>(`select pg_try_advisory_xact_lock(${FLOOR_LOCK}) as locked`)
    if (!firstRow(rows).locked) return false
    const oldest = await tx.query<{ id: string }>(
      `select event_id as id from deliveries where state = 'pending' and event_id < $1 order by event_id limit 1`,
      [latest],
    )
    await tx.query('update pending_floor set event_id = $1 where event_id <> $1', [oldest.rows[0]?.id ?? latest])
    return true
  })
}
