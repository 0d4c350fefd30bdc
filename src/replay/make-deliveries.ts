import { type Db, inTransaction, type Queryable } from '../database/db.ts'
import { announcePending } from '../database/pending-floor.ts'
import { newId } from '../domain/ids.ts'
import { type MatchingEvent, selectEvents } from './select-events.ts'
import { advanceReplay, failReplay, finishReplay, lockReplay, type Replay } from './state.ts'

/** What one step has come to: how many deliveries it made, and whether the replay has ended. */
export interface ReplayStep {
  made: number
  /** Some of them took the place of one that waited. */
  replaced: boolean
  ended: boolean
}

/**
 * Makes the deliveries of the next events, `limit` at most, after a look at `scanLimit` events at most. In one transaction with the
 * replay's place, which it takes from the locked row: what was made before a crash, or by another process, is not made again.
 */
export async function makeNextDeliveries(
  db: Db,
  replay: Pick<Replay, 'clientId' | 'id'>,
  { limit, scanLimit }: { limit: number; scanLimit: number },
): Promise<ReplayStep> {
  try {
    return await inTransaction(db, async (tx) => {
      const now = await lockReplay(tx, replay)
      if (!now) return { made: 0, replaced: false, ended: true }
      if (now.endpoint !== 'enabled') {
        await failReplay(tx, now, CLOSED_REASONS[now.endpoint])
        return { made: 0, replaced: false, ended: true }
      }
      const { events, reached, isComplete } = await selectEvents(tx, now, { after: now.reached, scanLimit, limit })
      if (events.length > 0) await insertDeliveries(tx, now, events)
      await advanceReplay(tx, now, reached, events.length)
      if (isComplete) await finishReplay(tx, now)
      return { made: events.length, replaced: events.some(({ pending }) => pending.length > 0), ended: isComplete }
    })
  } catch (error) {
    // The pumps lock deliveries in their own order. Nothing is made, and the next step begins where this one did.
    if ((error as { code?: string }).code === DEADLOCK) return { made: 0, replaced: false, ended: false }
    throw error
  }
}

const DEADLOCK = '40P01'

const CLOSED_REASONS = {
  disabled: { code: 'endpoint_disabled', message: 'The endpoint was disabled: enable it, and replay what is left.' },
  deleted: { code: 'endpoint_deleted', message: 'The endpoint was deleted.' },
} as const

/** New deliveries, in the order of the events; what still waits of the same events is cancelled. */
async function insertDeliveries(
  tx: Queryable,
  { clientId, endpointId, id }: Replay,
  events: MatchingEvent[],
): Promise<void> {
  const eventIds = events.map((event) => event.id)
  const waiting = events.flatMap((event) => event.pending.map((id) => ({ eventId: event.id, id })))
  if (waiting.length > 0)
    await tx.query(
      `update deliveries d set state = 'cancelled', reason = 'resent', next_attempt_at = null, finished_at = now()
         from unnest($2::uuid[], $3::uuid[]) w(event_id, id)
        where d.client_id = $1 and d.event_id = w.event_id and d.id = w.id and d.state = 'pending'
          and d.event_id between $4 and $5`,
      [clientId, waiting.map(({ eventId }) => eventId), waiting.map(({ id }) => id), eventIds[0], eventIds.at(-1)],
    )
  await announcePending(tx, eventIds[0]!)
  await tx.query(
    `insert into deliveries (client_id, event_id, id, endpoint_id, origin, event_type, user_id)
     select $1, e.event_id, e.id, $2, $3, e.type, e.user_id
       from unnest($4::uuid[], $5::uuid[], $6::text[], $7::uuid[]) e(event_id, id, type, user_id)`,
    [
      clientId,
      endpointId,
      id,
      eventIds,
      events.map(newId),
      events.map(({ type }) => type),
      events.map(({ userId }) => userId),
    ],
  )
}
