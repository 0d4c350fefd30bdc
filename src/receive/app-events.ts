import type { Db } from '../database/db.ts'
import type { AppEvent, StoredAppEvent } from '../domain/app-events.ts'
import { appSourceId } from '../domain/event-origin.ts'
import { Refusal } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Watch } from '../watch.ts'
import type { IncomingEvent } from './insert-events.ts'
import { laneOfUser } from './lane.ts'
import { pairUp } from './pair-up.ts'
import { createGroupStore } from './store.ts'

interface Deps {
  db: Db
  log: Log
  /** Called after the commit for each client that has new source events; must not throw. */
  onStored: (clientId: string) => void
  watch?: Watch
}

/**
 * Stores what a client's application publishes as source events: all or none, in the order given, once per event id. The
 * promise settles after the commit. They are stored like Stripe's events and share commits among themselves. They have no row
 * in `sources`: their `source_id` is the client's id. Throws `unavailable` when nothing can be stored.
 */
export function createAppEventStore(
  deps: Deps,
): (clientId: string, events: readonly AppEvent[]) => Promise<readonly StoredAppEvent[]> {
  const storeGroup = createGroupStore({ ...deps, via: 'app' })
  return async (clientId, events) => {
    const results = pairUp(events, await storeGroup(events.map((event) => sourceEventOf(clientId, event))))
    const duplicateIds = results.flatMap(([{ id }, { duplicate }]) => (duplicate ? [id] : []))
    const storedById =
      duplicateIds.length > 0 ? await findStored(deps.db, clientId, duplicateIds) : new Map<string, StoredRow>()
    return results.map(([{ id }, result]) => {
      if (!result.duplicate) return result
      const stored = storedById.get(id)
      // Deleted in the moment since it was found: sent again, it is new.
      if (!stored) throw new Refusal('unavailable')
      return { ...stored, duplicate: true }
    })
  }
}

const sourceEventOf = (clientId: string, event: AppEvent): IncomingEvent => ({
  clientId,
  sourceId: appSourceId(clientId),
  eventId: event.id,
  type: event.type,
  apiVersion: null,
  account: '',
  livemode: true,
  createdAt: event.occurredAt,
  lane: laneOfUser(clientId, event.user),
  bytes: Buffer.from(JSON.stringify(stripeShapeOf(event))),
})

/** In the shape of Stripe's events, so that mappings read both alike; `created` is seconds with their milliseconds. */
const stripeShapeOf = ({ id, type, user, data, occurredAt }: AppEvent) => ({
  id,
  object: 'event',
  type,
  created: occurredAt.getTime() / 1000,
  livemode: true,
  data: { object: { object: 'app_event', id, user: { id: user.id, client_user_id: user.clientUserId }, data } },
})

type StoredRow = { id: string; receivedAt: Date }

async function findStored(db: Db, clientId: string, eventIds: readonly string[]): Promise<Map<string, StoredRow>> {
  const { rows } = await db.query(
    `select event_id, id, received_at from source_events
      where client_id = $1 and source_id = $2 and account = '' and livemode and event_id = any($3)`,
    [clientId, appSourceId(clientId), eventIds],
  )
  return new Map(rows.map((row) => [row.event_id, { id: row.id, receivedAt: row.received_at }]))
}
