import { randomBytes } from 'node:crypto'
import { type Db, inTransaction, type Queryable } from '../../database/db.ts'
import { newId } from '../../domain/ids.ts'
import { type Scope, sha256Of } from '../http/caller.ts'

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
