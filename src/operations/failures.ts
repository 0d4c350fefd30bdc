import { LRUCache } from 'lru-cache'
import type { NormalizedBatch } from '../watch.ts'
import { raise } from './alarms.ts'
import type { Finding } from './tell.ts'

/** After an hour without it, the same failure of a source is news again. */
export const QUIET_SECONDS = 3_600
/** So often at most one process looks whether a failure that goes on is news: a thousand a second must cost nothing. */
const LOOK_MS = 60_000

export interface Failure {
  sourceId: string
  code: string
  message: string | null
  sourceEventId: string
  sourceEventType: string
}

/** Hears of every batch, and calls `failed` with what could not be mapped: the first of each source and code, once a minute. */
export function failureEar(failed: (clientId: string, failure: Failure) => void) {
  const looked = new LRUCache<string, true>({ max: 10_000, ttl: LOOK_MS })
  return ({ clientId, outcomes }: NormalizedBatch) => {
    for (const { id, sourceId, type, state, code, message } of outcomes) {
      if (state !== 'failed' || code === null) continue
      const key = `${sourceId} ${code}`
      if (looked.has(key)) continue
      looked.set(key, true)
      failed(clientId, { sourceId, code, message, sourceEventId: id, sourceEventType: type })
    }
  }
}

/** That events of a source cannot be mapped for one reason; once, until it has been quiet for an hour. */
export const failureNews =
  (clientId: string, { sourceId, ...failure }: Failure, now: () => Date): Finding =>
  async (tx) => {
    const type = 'mapping.failed'
    const subject = `${sourceId} ${failure.code}`
    const since = await raise(tx, { clientId, type, subject }, QUIET_SECONDS)
    if (!since) return null
    const { rows } = await tx.query<{ name: string | null }>(
      'select name from sources where client_id = $1 and id = $2',
      [clientId, sourceId],
    )
    return {
      type,
      clientId,
      key: `${type} ${subject} ${since.toISOString()}`,
      occurredAt: now(),
      about: { source: { id: sourceId, name: rows[0]?.name ?? null }, failure },
    }
  }
