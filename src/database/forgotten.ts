import { createHmac, randomBytes } from 'node:crypto'
import type { Queryable } from './db.ts'

/** Opens and seals keys; see src/secrets/keyring.ts. */
interface Sealing {
  encrypt(text: string): string
  decrypt(sealed: string): string
}

/** Someone whom a client has deleted: a Stripe customer by its key in its account and mode, or the client's own id. */
export interface ForgottenName {
  kind: 'customer' | 'clientUserId'
  name: string
}

/** How a name is stored: nobody who has the database alone can try guesses against it. */
const hashOf = (key: Buffer, { kind, name }: ForgottenName): Buffer =>
  createHmac('sha256', key).update(`${kind}\0${name}`).digest()

/** Notes names, so that no event makes them anew. Inside the transaction of the deletion. */
export async function forgetNames(
  tx: Queryable,
  keyRing: Sealing,
  clientId: string,
  names: readonly ForgottenName[],
): Promise<void> {
  const { rows } = await tx.query<{ sealed: string | null }>(
    'select forgetting_key as sealed from clients where id = $1 for no key update',
    [clientId],
  )
  let sealed = rows[0]?.sealed ?? null
  if (sealed === null) {
    sealed = keyRing.encrypt(randomBytes(32).toString('base64'))
    await tx.query('update clients set forgetting_key = $2 where id = $1', [clientId, sealed])
  }
  const key = Buffer.from(keyRing.decrypt(sealed), 'base64')
  for (const name of names)
    await tx.query('insert into forgotten (client_id, hash) values ($1, $2) on conflict do nothing', [
      clientId,
      hashOf(key, name),
    ])
}

/** Takes names out again, since they were registered anew. Answers whether any was forgotten. */
export async function recallNames(
  tx: Queryable,
  keyRing: Pick<Sealing, 'decrypt'>,
  clientId: string,
  names: readonly ForgottenName[],
): Promise<boolean> {
  const key = await readForgettingKey(tx, keyRing, clientId)
  if (key === null) return false
  const { rowCount } = await tx.query('delete from forgotten where client_id = $1 and hash = any($2)', [
    clientId,
    names.map((name) => hashOf(key, name)),
  ])
  return (rowCount ?? 0) > 0
}

/** What the client's names are hashed with; null: it has deleted nobody. */
export async function readForgettingKey(
  db: Queryable,
  keyRing: Pick<Sealing, 'decrypt'>,
  clientId: string,
): Promise<Buffer | null> {
  const { rows } = await db.query<{ sealed: string }>(
    'select forgetting_key as sealed from clients where id = $1 and forgetting_key is not null',
    [clientId],
  )
  return rows[0] ? Buffer.from(keyRing.decrypt(rows[0].sealed), 'base64') : null
}

/** Those of these names that were forgotten. */
export async function findForgotten<Name extends ForgottenName>(
  db: Queryable,
  key: Buffer,
  clientId: string,
  names: readonly Name[],
): Promise<Name[]> {
  if (names.length === 0) return []
  const hashed = names.map((name) => ({ name, hash: hashOf(key, name) }))
  const { rows } = await db.query<{ hash: Buffer }>(
    'select hash from forgotten where client_id = $1 and hash = any($2)',
    [clientId, hashed.map(({ hash }) => hash)],
  )
  const found = new Set(rows.map(({ hash }) => hash.toString('hex')))
  return hashed.filter(({ hash }) => found.has(hash.toString('hex'))).map(({ name }) => name)
}
