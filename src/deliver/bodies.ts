import { LRUCache } from 'lru-cache'
import type { Queryable } from '../db.ts'
import { bounds } from './bounds.ts'

const CACHE_MAX_CHARS = 16 * 1024 * 1024

/**
 * The stored bodies of events by id, loaded together and remembered: a fan-out to many endpoints reads each text once.
 * An event that is not there (any more) is missing from the result.
 */
export function eventBodies({ db }: { db: Queryable }) {
  const cache = new LRUCache<string, string>({ maxSize: CACHE_MAX_CHARS, sizeCalculation: (body) => body.length })

  return async (clientId: string, eventIds: Set<string>): Promise<Map<string, string>> => {
    const bodies = new Map<string, string>()
    const missing: string[] = []
    for (const id of eventIds) {
      const body = cache.get(id)
      if (body === undefined) missing.push(id)
      else bodies.set(id, body)
    }
    if (missing.length === 0) return bodies
    const { rows } = await db.query<{ id: string; body: string }>({
      name: 'deliver.bodies',
      text: 'select id, body from events where client_id = $1 and id = any($2::uuid[]) and id between $3 and $4',
      values: [clientId, missing, ...bounds(missing)],
    })
    for (const { id, body } of rows) {
      cache.set(id, body)
      bodies.set(id, body)
    }
    return bodies
  }
}

export type EventBodies = ReturnType<typeof eventBodies>
