import type { Db } from '../database/db.ts'
import type { AppEvent, KeptAppEvent } from '../domain/app-events.ts'
import { appSourceId } from '../domain/event-origin.ts'
import type { Log } from '../log.ts'
import type { Watch } from '../watch.ts'
import { laneOfUser } from './lane.ts'
import { groupStore, type SourceEvent } from './store.ts'

interface Deps {
  db: Db
  log: Log
  /** Called after the commit for each client that got something new; must not throw. */
  stored: (clientId: string) => void
  watch?: Watch
}

/**
 * Keeps what a client's application publishes as source events, all or none, in the order given, once per event id. Settles
 * after the commit. They are stored as Stripe's are and share commits among themselves; they have no row in `sources`, their
 * `source_id` is the client's id. Throws `unavailable` when nothing can be stored.
 */
export function appEventStore(
  deps: Deps,
): (clientId: string, events: readonly AppEvent[]) => Promise<readonly KeptAppEvent[]> {
  const store = groupStore({ ...deps, via: 'app' })
  return async (clientId, events) => {
    const results = await store(events.map((event) => sourceEventOf(clientId, event)))
    const again = events.flatMap(({ id }, at) => (results[at]!.duplicate ? [id] : []))
    const known = again.length > 0 ? await stored(deps.db, clientId, again) : new Map<string, Row>()
    return results.map((result, at) => (result.duplicate ? { ...known.get(events[at]!.id)!, duplicate: true } : result))
  }
}

const sourceEventOf = (clientId: string, event: AppEvent): SourceEvent => ({
  clientId,
  sourceId: appSourceId(clientId),
  eventId: event.id,
  type: event.type,
  apiVersion: null,
  account: '',
  livemode: true,
  createdAt: event.occurredAt,
  lane: laneOfUser(clientId, event.user),
  bytes: Buffer.from(JSON.stringify(bodyOf(event))),
})

/** In the shape of Stripe's events, so that mappings read both alike; `created` is seconds with their milliseconds. */
const bodyOf = ({ id, type, user, data, occurredAt }: AppEvent) => ({
  id,
  object: 'event',
  type,
  created: occurredAt.getTime() / 1000,
  livemode: true,
  data: { object: { object: 'app_event', id, user: { id: user.id, client_user_id: user.clientUserId }, data } },
})

type Row = { id: string; receivedAt: Date }

async function stored(db: Db, clientId: string, eventIds: readonly string[]): Promise<Map<string, Row>> {
  const { rows } = await db.query(
    `select event_id, id, received_at from source_events
      where client_id = $1 and source_id = $2 and account = '' and livemode and event_id = any($3)`,
    [clientId, appSourceId(clientId), eventIds],
  )
  return new Map(rows.map((row) => [row.event_id, { id: row.id, receivedAt: row.received_at }]))
}
