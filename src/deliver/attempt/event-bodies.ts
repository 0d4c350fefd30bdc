import { LRUCache } from 'lru-cache'
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

/**
 * Stored events by id, loaded together and remembered: a fan-out to many endpoints reads each text once.
 * An event that is not there (any more) is missing from the result.
 */
export function createEventBodyLoader({ db }: { db: Queryable }) {
  const cache = new LRUCache<string, EventBody>({
    maxSize: CACHE_MAX_CHARS,
    sizeCalculation: ({ body }) => body.length,
    // What was deleted is not kept here for longer than it may take to see that it was.
    ttl: CACHE_MS,
    ttlAutopurge: false,
  })

  return async (clientId: string, eventIds: Set<string>): Promise<Map<string, EventBody>> => {
    const events = new Map<string, EventBody>()
    const missing: string[] = []
    for (const id of eventIds) {
      const event = cache.get(id)
      if (event === undefined) missing.push(id)
      else events.set(id, event)
    }
    if (missing.length === 0) return events
    const { rows } = await db.query<{ id: string; body: string; source_event_id: string }>({
      name: 'deliver.bodies',
      text: `select b.event_id as id, b.body, e.source_event_id
               from event_bodies b
               join events e on e.client_id = $1 and e.id = b.event_id and e.id between $3 and $4
              where b.client_id = $1 and b.event_id = any($2::uuid[]) and b.event_id between $3 and $4`,
      values: [clientId, missing, ...idBounds(missing)],
    })
    for (const { id, body, source_event_id } of rows) {
      const event = { body, sourceEventId: NO_SOURCE.has(source_event_id) ? null : source_event_id }
      cache.set(id, event)
      events.set(id, event)
    }
    return events
  }
}

/** Bodies are read ahead up to this length; the first ones whatever theirs. */
const AHEAD_MAX_CHARS = 4 * 1024 * 1024
const AHEAD_FIRST = 64

/** Reads bodies that will be wanted soon, so that one statement fetches hundreds: fewer where they are large. */
export async function readBodiesAhead(load: LoadEventBodies, clientId: string, eventIds: ReadonlySet<string>) {
  const ids = [...eventIds]
  let [read, chars] = [0, 0]
  for (let size = AHEAD_FIRST; read < ids.length && chars < AHEAD_MAX_CHARS; ) {
    const loaded = await load(clientId, new Set(ids.slice(read, read + size)))
    read += size
    for (const { body } of loaded.values()) chars += body.length
    size = Math.max(AHEAD_FIRST, Math.floor(((AHEAD_MAX_CHARS - chars) * read) / Math.max(1, chars)))
  }
}

export type LoadEventBodies = ReturnType<typeof createEventBodyLoader>
