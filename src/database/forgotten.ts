import { createHmac, randomBytes } from 'node:crypto'
import { createClientStatement } from './client-statement.ts'
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
const readForgettingKey = async (db: Queryable, keyRing: Pick<Sealing, 'decrypt'>, clientId: string) =>
  (await readForgettingKeys(db, keyRing, [clientId])).get(clientId) ?? null

/** What the names of clients are hashed with, of those that have deleted anybody. */
export async function readForgettingKeys(
  db: Queryable,
  keyRing: Pick<Sealing, 'decrypt'>,
  clientIds: readonly string[],
): Promise<ReadonlyMap<string, Buffer>> {
  const { rows } = await db.query<{ id: string; sealed: string }>({
    name: 'forgotten.keys',
    text: 'select id, forgetting_key as sealed from clients where id = any($1::uuid[]) and forgetting_key is not null',
    values: [clientIds],
  })
  return new Map(rows.map(({ id, sealed }) => [id, Buffer.from(keyRing.decrypt(sealed), 'base64')]))
}

const runForgotten = createClientStatement<{ client_id: string; hash: Buffer }>({
  name: 'forgotten.find',
  text: (tie) => `
    select f.* from unnest($1::uuid[], $2::bytea[]) w(client_id, hash)
     cross join lateral (
       select client_id, hash from forgotten f where f.client_id = w.client_id and f.hash = w.hash ${tie('f.client_id')}
       offset 0) f`,
})

/** Those of these names that their clients have forgotten; each comes with its client and the key of it. */
export async function findForgotten<Name extends ForgottenName & { clientId: string; key: Buffer }>(
  db: Queryable,
  names: readonly Name[],
): Promise<Name[]> {
  if (names.length === 0) return []
  const hashed = names.map((name) => ({ name, hash: hashOf(name.key, name) }))
  const clientIds = names.map(({ clientId }) => clientId)
  const { rows } = await runForgotten(db, clientIds, [clientIds, hashed.map(({ hash }) => hash)])
  const nameOf = (clientId: string, hash: Buffer) => `${clientId} ${hash.toString('hex')}`
  const found = new Set(rows.map(({ client_id, hash }) => nameOf(client_id, hash)))
  return hashed.filter(({ name, hash }) => found.has(nameOf(name.clientId, hash))).map(({ name }) => name)
}
