import { createHash } from 'node:crypto'
import type { Queryable } from '../../database/db.ts'
import { firstRow } from '../../database/rows.ts'
import { Refusal } from '../../errors.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import type { KeptReplies } from './kept-replies.ts'

/** A response as it is sent. */
export interface WireAnswer {
  status: number
  text: string
  isReplayed: boolean
}

/** A request that may be repeated: its API key, its Idempotency-Key, and what it asks for. */
export interface IdempotentRequest {
  keyId: string
  key: string
  method: string
  url: string
  body: unknown
}

export const KEY_LIFETIME = `interval '24 hours'`

/** Throws `invalid` for a malformed Idempotency-Key. */
export function assertIdempotencyKey(key: string): void {
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    throw new Refusal('invalid', {
      details: [{ path: 'Idempotency-Key', code: 'invalid_format', message: 'must be 1 to 255 printable characters' }],
    })
}

/** Identifies what a request asks for. */
export const requestHash = ({ method, url, body }: Omit<IdempotentRequest, 'keyId' | 'key'>): Buffer =>
  createHash('sha256')
    .update(`${method} ${url}\n${JSON.stringify(body)}`)
    .digest()

/**
 * Does `work` once per Idempotency-Key and API key: for 24 hours the same request gets the first answer again. The answer is
 * stored in the transaction of the work, so that a crash leaves either both or neither; refused work leaves the key unused.
 * `replies` null: the work stores nothing, so it is done again instead, and no answer is kept. Throws `idempotency_running` while
 * the first request still runs, `idempotency_mismatch` for a different request, and `idempotency_full`.
 */
export async function answerOnce(
  { tx, keyRing, replies }: { tx: Queryable; keyRing: KeyRing; replies: KeptReplies | null },
  { keyId, key, ...request }: IdempotentRequest,
  work: () => Promise<WireAnswer>,
): Promise<WireAnswer> {
  assertIdempotencyKey(key)
  const hash = requestHash(request)
  // The lock ends with its session, so a crashed request cannot hold a key. Of two simultaneous requests only one gets it.
  const { rows: locks } = await tx.query<{ isOurs: boolean }>(
    `select pg_try_advisory_xact_lock(hashtextextended('idempotency:' || $1 || ':' || $2, 0)) as "isOurs"`,
    [keyId, key],
  )
  if (!firstRow(locks).isOurs) throw new Refusal('idempotency_running', { retryAfterSeconds: 1 })
  const { rows } = await tx.query(
    `select request_hash, status, reply from idempotency_keys
      where api_key_id = $1 and key = $2 and created_at > now() - ${KEY_LIFETIME}`,
    [keyId, key],
  )
  if (rows[0]) {
    if (!hash.equals(rows[0].request_hash)) throw new Refusal('idempotency_mismatch')
    if (rows[0].reply !== null)
      return { status: rows[0].status, text: keyRing.decrypt(rows[0].reply), isReplayed: true }
  }
  await replies?.assertRoom(tx, keyId)
  const answer = await work()
  const reply = replies && keyRing.encrypt(answer.text)
  await saveAnswer(tx, { keyId, key, hash, status: answer.status, reply })
  if (reply) replies.add(keyId, reply.length)
  return answer
}

/** Stores the answer, and deletes some that have expired, so that no job has to. */
async function saveAnswer(
  tx: Queryable,
  {
    keyId,
    key,
    hash,
    status,
    reply,
  }: { keyId: string; key: string; hash: Buffer; status: number; reply: string | null },
): Promise<void> {
  await tx.query(
    `delete from idempotency_keys where (api_key_id, key) in (
       select api_key_id, key from idempotency_keys where created_at <= now() - ${KEY_LIFETIME}
        order by created_at limit 100 for update skip locked)`,
  )
  await tx.query(
    `insert into idempotency_keys (api_key_id, key, request_hash, status, reply) values ($1, $2, $3, $4, $5)
     on conflict (api_key_id, key) do update
       set request_hash = excluded.request_hash, status = excluded.status, reply = excluded.reply, created_at = now()`,
    [keyId, key, hash, status, reply],
  )
}
