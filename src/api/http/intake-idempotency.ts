import type { Db } from '../../database/db.ts'
import { idOfWords } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import { createBatcher } from '../../workers/batcher.ts'
import { assertIdempotencyKey, type IdempotentRequest, KEY_LIFETIME, requestHash } from './idempotency.ts'

/** What the first request with an Idempotency-Key establishes for its repetitions, for 24 hours. */
export interface IntakeClaim {
  /** The ids of new rows are derived from it, so that a repetition finds them stored already. */
  id: string
  /** When the first request arrived. */
  at: Date
}

interface KeyRequest {
  keyId: string
  key: string
  hash: Buffer
}
interface ClaimedKey {
  hash: Buffer
  at: Date
}

/**
 * Claims Idempotency-Keys for work that commits in a transaction of its own. The key is claimed first, and a repetition does the
 * work again under the same claim, whether or not the process died before or after it. No reply is stored, since it can be
 * derived again. Requests that arrive close together share one commit. Throws `idempotency_mismatch` for a different request.
 */
export function idempotencyKeyClaimer({ db }: { db: Db }): (once: IdempotentRequest) => Promise<IntakeClaim> {
  const add = createBatcher((asked: KeyRequest[]) => claimKeys(db, asked), { max: 250, inFlight: 2, spacingMs: 4 })
  return async ({ keyId, key, ...request }) => {
    assertIdempotencyKey(key)
    const hash = requestHash(request)
    const row = await add({ keyId, key, hash })
    if (!row.hash.equals(hash)) throw new Refusal('idempotency_mismatch')
    // With the time: a key that is used again after 24 hours must give other ids.
    return { id: idOfWords('claim', keyId, key, row.at.toISOString()), at: row.at }
  }
}

const keyName = ({ keyId, key }: Pick<KeyRequest, 'keyId' | 'key'>) => `${keyId} ${key}`

async function claimKeys(db: Db, asked: KeyRequest[]): Promise<ClaimedKey[]> {
  // If a key occurs twice, the first counts. All processes lock the keys in the same order, so that they cannot deadlock.
  const distinct = [...new Map(asked.toReversed().map((one) => [keyName(one), one])).values()].sort((a, b) =>
    keyName(a) < keyName(b) ? -1 : 1,
  )
  const values = [distinct.map(({ keyId }) => keyId), distinct.map(({ key }) => key), distinct.map(({ hash }) => hash)]
  const { rows } = await db.query(
    `insert into idempotency_keys as k (api_key_id, key, request_hash)
     select * from unnest($1::text[], $2::text[], $3::bytea[])
     on conflict (api_key_id, key) do update
       set request_hash = excluded.request_hash, status = null, reply = null, created_at = now()
     where k.created_at <= now() - ${KEY_LIFETIME}
     returning api_key_id as "keyId", key, request_hash as hash, created_at as at`,
    values,
  )
  const found = new Map(rows.map((row) => [keyName(row), row]))
  if (found.size < distinct.length) {
    const { rows: earlier } = await db.query(
      `select api_key_id as "keyId", key, request_hash as hash, created_at as at from idempotency_keys
        where (api_key_id, key) in (select * from unnest($1::text[], $2::text[]))`,
      values.slice(0, 2),
    )
    for (const row of earlier) if (!found.has(keyName(row))) found.set(keyName(row), row)
  }
  return asked.map((one) => {
    const row = found.get(keyName(one))
    // It expired between the two statements: the next try claims it.
    if (!row) throw new Refusal('unavailable', { retryAfterSeconds: 1 })
    return row
  })
}
