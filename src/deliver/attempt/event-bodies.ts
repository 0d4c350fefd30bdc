import { LRUCache } from 'lru-cache'
import { createClientStatement } from '../../database/client-statement.ts'
import type { Queryable } from '../../database/db.ts'
import { GATEWAY_ITSELF, NO_SOURCE_EVENT } from '../../domain/ids.ts'
import { idBounds } from '../queue/id-bounds.ts'

/** What an attempt needs of the event that it delivers. */
export interface EventBody {
  /** The contract's body without the delivery's own id. */
  body: string
  /** What it was made of; null: a test event, say, which no source sent. */
  sourceEventId: string | null
}

const NO_SOURCE = new Set([NO_SOURCE_EVENT, GATEWAY_ITSELF])
const CACHE_MAX_CHARS = 16 * 1024 * 1024
const CACHE_MS = 300_000

/** An event of a client. */
export interface ClientEvent {
  clientId: string
  eventId: string
}

/**
 * Stored events by id, loaded together and remembered: a fan-out to many endpoints reads each text once.
 * An event that is not there (any more) is missing from the result. The clients are of one group (src/database/client-groups.ts).
 */
export function createEventBodies({ db }: { db: Queryable }) {
  const cache = new LRUCache<string, EventBody & { clientId: string }>({
    maxSize: CACHE_MAX_CHARS,
    sizeCalculation: ({ body }) => Math.max(1, body.length),
    // What was deleted is not kept here for longer than it may take to see that it was.
    ttl: CACHE_MS,
    ttlAutopurge: false,
  })

  const rememberBody = ({ clientId, eventId }: ClientEvent, body: string, sourceEventId: string): EventBody => {
    const event = { clientId, body, sourceEventId: NO_SOURCE.has(sourceEventId) ? null : sourceEventId }
    cache.set(eventId, event)
    return event
  }

  const loadEventBodies = async (wanted: Iterable<ClientEvent>): Promise<Map<string, EventBody>> => {
    const events = new Map<string, EventBody>()
    const missing = new Map<string, string>()
    for (const { clientId, eventId } of wanted) {
      const event = cache.get(eventId)
      if (event?.clientId === clientId) events.set(eventId, event)
      else missing.set(eventId, clientId)
    }
    if (missing.size === 0) return events
    const [ids, clientIds] = [[...missing.keys()], [...missing.values()]]
    const { rows } = await selectBodies(db, clientIds, [clientIds, ids, ...idBounds(ids)])
    for (const { clientId, id, body, sourceEventId } of rows)
      events.set(id, rememberBody({ clientId, eventId: id }, body, sourceEventId))
    return events
  }
  return { loadEventBodies, rememberBody }
}

const selectBodies = createClientStatement<{ clientId: string; id: string; body: string; sourceEventId: string }>({
  name: 'deliver.bodies',
  text: (tie) => `
    select w.client_id as "clientId", w.id, b.body, e.source_event_id as "sourceEventId"
      from unnest($1::uuid[], $2::uuid[]) w(client_id, id)
     cross join lateral (
       select body from event_bodies b
        where b.client_id = w.client_id and b.event_id = w.id and b.event_id between $3 and $4 ${tie('b.client_id')}
        offset 0) b
     cross join lateral (
       select source_event_id from events e
        where e.client_id = w.client_id and e.id = w.id and e.id between $3 and $4 ${tie('e.client_id')} offset 0) e`,
})

/** Bodies are read ahead up to this length; the first ones whatever theirs. */
const AHEAD_MAX_CHARS = 4 * 1024 * 1024
const AHEAD_FIRST = 64

/** Reads bodies that will be wanted soon, so that one statement fetches hundreds: fewer where they are large. */
export async function readBodiesAhead(load: LoadEventBodies, wanted: readonly ClientEvent[]) {
  const events = [...new Map(wanted.map((event) => [event.eventId, event])).values()]
  let [read, chars] = [0, 0]
  for (let size = AHEAD_FIRST; read < events.length && chars < AHEAD_MAX_CHARS; ) {
    const loaded = await load(events.slice(read, read + size))
    read += size
    for (const { body } of loaded.values()) chars += body.length
    size = Math.max(AHEAD_FIRST, Math.floor(((AHEAD_MAX_CHARS - chars) * read) / Math.max(1, chars)))
  }
}

export type EventBodies = ReturnType<typeof createEventBodies>
export type LoadEventBodies = EventBodies['loadEventBodies']
