import { LRUCache } from 'lru-cache'
import type { Queryable } from '../../database/db.ts'
import { firstRow } from '../../database/rows.ts'
import { Refusal } from '../../errors.ts'

/** How much is kept of the answers to an API key's requests with an Idempotency-Key. */
export interface KeptReplies {
  /** Throws `idempotency_full` when the client of the key has as much as it may. */
  assertRoom(db: Queryable, keyId: string): Promise<void>
  add(keyId: string, bytes: number): void
}

/** For all keys of a client, or for one key of an operator. */
const KEPT_MAX_BYTES = 64 * 1024 * 1024
/** Counting looks at a row for each answer: what is written meanwhile is added here. */
const COUNT_AGAIN_MS = 30_000
const KEYS_REMEMBERED = 10_000

/** Bounds the answers that are kept, in this process at once and over several processes within half a minute. */
export function createKeptReplies(maxBytes = KEPT_MAX_BYTES): KeptReplies {
  const counted = new LRUCache<string, { bytes: number }>({ max: KEYS_REMEMBERED, ttl: COUNT_AGAIN_MS })
  return {
    async assertRoom(db, keyId) {
      const known = counted.get(keyId) ?? { bytes: await countKept(db, keyId) }
      if (!counted.has(keyId)) counted.set(keyId, known)
      if (known.bytes >= maxBytes) throw new Refusal('idempotency_full', { retryAfterSeconds: 3600 })
    },
    add(keyId, bytes) {
      const known = counted.get(keyId)
      if (known) known.bytes += bytes
    },
  }
}

/** The bytes on disk: reading the length of a text would read all of it. */
async function countKept(db: Queryable, keyId: string): Promise<number> {
  const { rows } = await db.query<{ bytes: number }>(
    `select coalesce(sum(pg_column_size(reply)), 0)::bigint as bytes from idempotency_keys
      where reply is not null and api_key_id in (
        select $1 union all
        select sibling.id::text from api_keys own join api_keys sibling on sibling.client_id = own.client_id
         where own.id::text = $1)`,
    [keyId],
  )
  return firstRow(rows).bytes
}
