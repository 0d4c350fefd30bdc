import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { type Db, inTransaction, type Queryable } from '../../database/db.ts'
import { isUuid, newId } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import { type AddToBatch, createBatcher } from '../../workers/batcher.ts'
import type { Caller, Scope } from './route.ts'

const sha256Of = (text: string): Buffer => createHash('sha256').update(text).digest()

interface NewApiKey {
  /** null: an operator's. */
  clientId: string | null
  scopes: readonly Scope[]
  name?: string | null
}

/** Stores a new API key as a hash; `key` is the bearer token `flo_sk_<id>_<secret>`, which nobody can read again. */
export async function createApiKey(db: Queryable, { clientId, scopes, name = null }: NewApiKey) {
  const id = newId()
  const secret = randomBytes(32).toString('base64url')
  await db.query(`insert into api_keys (id, client_id, scopes, secret_hash, name) values ($1, $2, $3, $4, $5)`, [
    id,
    clientId,
    scopes,
    sha256Of(secret),
    name,
  ])
  return { id, key: `flo_sk_${id}_${secret}` }
}

/**
 * An operator's key for a database that has none, whose token the caller prints once; undefined where one is alive. Of several
 * processes that start at once on one database, one makes it. FLO_ADMIN_KEY is not in the database.
 */
export const createFirstAdminKey = (db: Db): Promise<string | undefined> =>
  inTransaction(db, async (tx) => {
    await tx.query('lock table api_keys in exclusive mode')
    if (await hasAdminKey(tx)) return undefined
    return (await createApiKey(tx, { clientId: null, scopes: ['admin'], name: 'first admin key' })).key
  })

async function hasAdminKey(db: Queryable): Promise<boolean> {
  const { rowCount } = await db.query(
    `select 1 from api_keys where client_id is null and 'admin' = any(scopes) and revoked_at is null limit 1`,
  )
  return rowCount === 1
}

interface StoredApiKey {
  clientId: string | null
  scopes: readonly Scope[]
  secretHash: Buffer
  /** What its client may ask with all keys together; null: no bound. */
  requestsPerSecond: number | null
}

/**
 * Loads live API keys by id, undefined for one that does not exist or was revoked. The ids of requests that wait at the same
 * time go into one statement; nothing is kept.
 */
export const apiKeyLoader = (db: Queryable): AddToBatch<string, StoredApiKey | undefined> =>
  createBatcher(
    async (ids) => {
      const { rows } = await db.query<StoredApiKey & { id: string }>(
        `select k.id, k.client_id as "clientId", k.scopes, k.secret_hash as "secretHash",
                c.requests_per_second as "requestsPerSecond"
           from api_keys k left join clients c on c.id = k.client_id
          where k.id = any($1) and k.revoked_at is null`,
        [[...new Set(ids)]],
      )
      const found = new Map(rows.map((key) => [key.id, key]))
      return ids.map((id) => found.get(id))
    },
    { inFlight: 2, spacingMs: 2 },
  )

/**
 * Who sent this Authorization header. Asked at every request: a revoked key is refused at once. Throws `unauthorized`.
 * `adminKey` is FLO_ADMIN_KEY, an operator's token that lives in the environment alone.
 */
export async function authenticateCaller(
  { loadKey, adminKey }: { loadKey: AddToBatch<string, StoredApiKey | undefined>; adminKey: string | undefined },
  authorization: string | undefined,
): Promise<Caller> {
  const [, token = ''] = /^bearer +(\S.*?) *$/i.exec(authorization ?? '') ?? []
  // Hashes, since lengths may differ: the time must not tell how much of a guess was right.
  if (adminKey && timingSafeEqual(sha256Of(token), sha256Of(adminKey)))
    return { keyId: 'FLO_ADMIN_KEY', clientId: null, scopes: ['admin'], requestsPerSecond: null }
  const [, id = '', secret = ''] = /^flo_sk_([0-9a-f-]{36})_(\S+)$/.exec(token) ?? []
  if (!isUuid(id)) throw new Refusal('unauthorized')
  const key = await loadKey(id)
  if (!key || !timingSafeEqual(key.secretHash, sha256Of(secret))) throw new Refusal('unauthorized')
  const { clientId, scopes, requestsPerSecond } = key
  return { keyId: id, clientId, scopes, requestsPerSecond }
}

/** Whether the caller may do what needs `scope`. An operator may do everything; `admin` on a client's key means nothing. */
export const hasScope = ({ clientId, scopes }: Pick<Caller, 'clientId' | 'scopes'>, scope: Scope): boolean =>
  (clientId === null && scopes.includes('admin')) || (scope !== 'admin' && scopes.includes(scope))
