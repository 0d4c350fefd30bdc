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

/** What is to be done once under a key. */
interface IntakeWork<Result> {
  /** Whether its rows are there. */
  isStored: (claim: IntakeClaim) => Promise<boolean>
  store: (claim: IntakeClaim) => Promise<Result>
}

interface KeyRequest {
  keyId: string
  key: string
  hash: Buffer
}
interface ClaimedKey {
  hash: Buffer
  at: Date
  /** RELEASED: the request has failed on our side. */
  status: number | null
  claimedBy: string | null
  isNew: boolean
}
interface ClaimDeps {
  db: Db
  /** Names this process among those that are registered; null where none is. */
  workerId: () => string | null
}

/** The status of a key whose request we have failed. */
const RELEASED = 503
/** No request takes longer: whoever claimed a key before and has stored nothing does not run any more. */
const RUNNING_SECONDS = 60

/**
 * Does work once under an Idempotency-Key that commits in a transaction of its own. The key is claimed first, and a repetition
 * does the work again under the same claim, whether or not the process died before or after it. No reply is stored, since it can
 * be derived again. Requests that arrive close together share one commit. Throws `idempotency_running` while the first request
 * runs, in whatever process, and `idempotency_mismatch` for a different request, unless the first one failed on our side and
 * stored nothing: then the key is free.
 */
export function idempotentIntake(
  deps: ClaimDeps,
): <Result>(once: IdempotentRequest, work: IntakeWork<Result>) => Promise<Result> {
  const claimKey = createBatcher((asked: KeyRequest[]) => claimKeys(deps, asked), {
    max: 250,
    inFlight: 2,
    spacingMs: 4,
  })
  const running = new Map<string, Buffer>()
  return async ({ keyId, key, ...request }, work) => {
    assertIdempotencyKey(key)
    const asked = { keyId, key, hash: requestHash(request) }
    const name = keyName(asked)
    const other = running.get(name)
    if (other) throw other.equals(asked.hash) ? runningRefusal() : new Refusal('idempotency_mismatch')
    running.set(name, asked.hash)
    try {
      const claim = await assertOurs(deps, asked, await claimKey(asked), work.isStored)
      try {
        return await work.store(claim)
      } catch (error) {
        // Where the database is away too, the same request may come again all the same.
        await releaseKey(deps.db, asked).catch(() => {})
        throw error
      }
    } finally {
      running.delete(name)
    }
  }
}

const runningRefusal = () => new Refusal('idempotency_running', { retryAfterSeconds: 1 })
const keyName = ({ keyId, key }: Pick<KeyRequest, 'keyId' | 'key'>) => `${keyId} ${key}`

// With the time: a key that is used again after 24 hours must give other ids.
const claimOf = ({ keyId, key }: KeyRequest, at: Date): IntakeClaim => ({
  id: idOfWords('claim', keyId, key, at.toISOString()),
  at,
})

/** The claim under which this request may go on, or the refusal. */
async function assertOurs(
  deps: ClaimDeps,
  asked: KeyRequest,
  row: ClaimedKey,
  isStored: IntakeWork<unknown>['isStored'],
): Promise<IntakeClaim> {
  const claim = claimOf(asked, row.at)
  if (row.isNew) return claim
  const isSame = row.hash.equals(asked.hash)
  if (!isSame && (row.status !== RELEASED || (await isStored(claim)))) throw new Refusal('idempotency_mismatch')
  if (row.status === RELEASED) return claimOf(asked, await claimAgain(deps, asked, row.hash))
  if ((await isHeldElsewhere(deps, row)) && !(await isStored(claim))) throw runningRefusal()
  return claim
}

/** Whether another process that lives has claimed the key of late. */
async function isHeldElsewhere({ db, workerId }: ClaimDeps, { claimedBy, at }: ClaimedKey): Promise<boolean> {
  if (claimedBy === null || claimedBy === workerId()) return false
  const { rowCount } = await db.query(
    `select from workers where id = $1 and not pg_try_advisory_xact_lock(lock_key)
        and $2::timestamptz > now() - make_interval(secs => $3)`,
    [claimedBy, at, RUNNING_SECONDS],
  )
  return rowCount !== 0
}

/** Claims a released key: the same request under the claim that it had, another one under a new claim. */
async function claimAgain({ db, workerId }: ClaimDeps, { keyId, key, hash }: KeyRequest, before: Buffer) {
  const { rows } = await db.query<{ at: Date }>(
    `update idempotency_keys
        set status = null, request_hash = $4, claimed_by = $5 ${hash.equals(before) ? '' : ', created_at = now()'}
      where api_key_id = $1 and key = $2 and request_hash = $3 and status = ${RELEASED}
      returning created_at as at`,
    [keyId, key, before, hash, workerId()],
  )
  // Another request was faster.
  if (!rows[0]) throw runningRefusal()
  return rows[0].at
}

async function releaseKey(db: Db, { keyId, key, hash }: KeyRequest): Promise<void> {
  await db.query(
    `update idempotency_keys set status = ${RELEASED}, claimed_by = null
      where api_key_id = $1 and key = $2 and request_hash = $3 and status is null and reply is null`,
    [keyId, key, hash],
  )
}

const FOUND_KEY =
  'api_key_id as "keyId", key, request_hash as hash, created_at as at, status, claimed_by as "claimedBy"'

type FoundKey = KeyRequest & Omit<ClaimedKey, 'isNew'>

async function claimKeys({ db, workerId }: ClaimDeps, asked: KeyRequest[]): Promise<ClaimedKey[]> {
  // All processes lock the keys in the same order, so that they cannot deadlock.
  const ordered = asked.toSorted((a, b) => (keyName(a) < keyName(b) ? -1 : 1))
  const values = [ordered.map(({ keyId }) => keyId), ordered.map(({ key }) => key)]
  const { rows: claimed } = await db.query<FoundKey>(
    `insert into idempotency_keys as k (api_key_id, key, request_hash, claimed_by)
     select a.key_id, a.key, a.hash, $4::uuid from unnest($1::text[], $2::text[], $3::bytea[]) as a(key_id, key, hash)
     on conflict (api_key_id, key) do update
       set request_hash = excluded.request_hash, status = null, reply = null, created_at = now(),
           claimed_by = excluded.claimed_by
     where k.created_at <= now() - ${KEY_LIFETIME}
     returning ${FOUND_KEY}`,
    [...values, ordered.map(({ hash }) => hash), workerId()],
  )
  const found = new Map(claimed.map((row): [string, ClaimedKey] => [keyName(row), { ...row, isNew: true }]))
  if (found.size < ordered.length) {
    const { rows: earlier } = await db.query<FoundKey>(
      `select ${FOUND_KEY} from idempotency_keys
        where (api_key_id, key) in (select * from unnest($1::text[], $2::text[]))`,
      values,
    )
    for (const row of earlier) if (!found.has(keyName(row))) found.set(keyName(row), { ...row, isNew: false })
  }
  return asked.map((one) => {
    const row = found.get(keyName(one))
    // It expired between the two statements: the next try claims it.
    if (!row) throw new Refusal('unavailable', { retryAfterSeconds: 1 })
    return row
  })
}
