import { type Db, inTransaction, isDeadlock, type Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import { announcePending } from '../database/pending-floor.ts'
import { newId } from '../domain/ids.ts'
import { type MatchingEvent, selectEvents } from './select-events.ts'
import { advanceReplay, failReplay, finishReplay, lockReplay, type Replay } from './state.ts'

/** The result of one step: how many deliveries it made, and whether the replay has ended. */
export interface ReplayStep {
  made: number
  /** Some of them replaced one that was pending. */
  replaced: boolean
  ended: boolean
}

/**
 * Makes the deliveries of the next events: at most `limit`, after looking at no more than `scanLimit` events. The replay's
 * position is read from the locked row and moved in the same transaction: what was made before a crash, or by another process,
 * is not made again.
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
      await insertDeliveries(tx, now, events)
      await advanceReplay(tx, now, reached, events.length)
      if (isComplete) await finishReplay(tx, now)
      return { made: events.length, replaced: events.some(({ pending }) => pending.length > 0), ended: isComplete }
    })
  } catch (error) {
    // The pumps of the delivering room lock deliveries in their own order. Nothing was made: the next step starts where this one did.
    if (isDeadlock(error)) return { made: 0, replaced: false, ended: false }
    throw error
  }
}

const CLOSED_REASONS = {
  disabled: { code: 'endpoint_disabled', message: 'The endpoint was disabled: enable it, and replay what is left.' },
  deleted: { code: 'endpoint_deleted', message: 'The endpoint was deleted.' },
} as const

/** Inserts deliveries in the order of the events; pending ones of the same events are cancelled. */
async function insertDeliveries(
  tx: Queryable,
  { clientId, endpointId, id }: Replay,
  events: MatchingEvent[],
): Promise<void> {
  const eventIds = events.map((event) => event.id)
  const [firstId] = eventIds
  if (firstId === undefined) return
  const replaced = events.flatMap((event) => event.pending.map((id) => ({ eventId: event.id, id })))
  if (replaced.length > 0)
    await tx.query(
      `update deliveries d set state = 'cancelled', reason = 'resent', next_attempt_at = null, finished_at = now()
         from unnest($2::uuid[], $3::uuid[]) w(event_id, id)
        where d.client_id = $1 and d.event_id = w.event_id and d.id = w.id and d.state = 'pending'
          and d.event_id between $4 and $5`,
      [clientId, replaced.map(({ eventId }) => eventId), replaced.map(({ id }) => id), firstId, eventIds.at(-1)],
    )
  await announcePending(tx, firstId)
  await insertPending(
    tx,
    events.map((event) => ({ clientId, endpointId, origin: id, id: newId(), event })),
  )
}

interface NewDelivery {
  clientId: string
  endpointId: string
  /** The replay. */
  origin: string
  id: string
  event: MatchingEvent
}

const insertPending = createRowInsert<NewDelivery>({
  name: 'replay.deliveries',
  table: 'deliveries',
  columns: {
    client_id: ({ clientId }) => clientId,
    event_id: ({ event }) => event.id,
    id: ({ id }) => id,
    endpoint_id: ({ endpointId }) => endpointId,
    origin: ({ origin }) => origin,
    event_type: ({ event }) => event.type,
    user_id: ({ event }) => event.userId,
  },
})
