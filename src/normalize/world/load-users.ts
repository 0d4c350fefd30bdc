import { createClientStatement } from '../../database/client-statement.ts'
import type { Queryable } from '../../database/db.ts'
import { findForgotten, readForgettingKeys } from '../../database/forgotten.ts'
import { splitRealm } from '../../domain/realm.ts'
import { clientsOf, type LoadDeps, type LoadKeys, type WorldKey } from './load-keys.ts'
import { type ObjectRow, readOwners, withBareIds } from './load-objects.ts'
import type { World } from './world.ts'

interface UserRow {
  client_id: string
  id: string
  client_user_id: string | null
  email: string | null
  registered: boolean
}

const userOf = ({ id, client_user_id, email, registered }: UserRow) => ({
  id,
  clientUserId: client_user_id,
  email,
  registered,
})

type LinkRow = UserRow & { customer_id: string; realm: string | null }

const runUsersOfCustomers = createClientStatement<LinkRow>({
  name: 'normalize.load_customers',
  text: (tie) => `
    select u.* from unnest($1::uuid[], $2::text[]) w(client_id, customer_id)
     cross join lateral (
       select l.client_id, l.customer_id, l.realm, u.id, u.client_user_id, u.email, u.registered
         from user_customers l join users u on u.client_id = l.client_id and u.id = l.user_id ${tie('u.client_id')}
        where l.client_id = w.client_id and l.customer_id = w.customer_id ${tie('l.client_id')} offset 0) u`,
})

/** Loads who is behind customers, by their ids in their account and mode. */
export const loadUsersOfCustomers: LoadKeys = async (db, keys, worlds) => {
  const keysOf = Map.groupBy(keys, ({ world }) => world.clientId)
  const asked = [...keysOf].flatMap(([clientId, of]) =>
    withBareIds(of.map(({ key }) => key)).map((customerId) => ({ clientId, customerId })),
  )
  const { rows } = await runUsersOfCustomers(db, worlds.keys(), [
    asked.map(({ clientId }) => clientId),
    asked.map(({ customerId }) => customerId),
  ])
  const wanted = new Set(keys.map(({ world, key }) => `${world.clientId} ${key}`))
  const nameOf = ({ client_id, customer_id }: LinkRow) => `${client_id} ${customer_id}`
  const own = rows.filter((row) => row.realm !== null && wanted.has(nameOf(row)))
  for (const row of own) worlds.get(row.client_id)?.users.addUser(userOf(row), row.customer_id)
  const older = rows.filter(({ realm }) => realm === null)
  if (older.length === 0) return
  const known = new Set(own.map(nameOf))
  const isOwnedBy = await readCustomerOwners(db, older)
  for (const row of older)
    for (const { world, key } of keysOf.get(row.client_id) ?? [])
      if (splitRealm(key).id === row.customer_id && !known.has(`${row.client_id} ${key}`) && isOwnedBy(row, key))
        world.users.addUser(userOf(row), key)
}

const runCustomerOwners = createClientStatement<Pick<ObjectRow, 'client_id' | 'source_id' | 'object_id' | 'snapshot'>>({
  name: 'normalize.load_customer_owners',
  // Their source is not known: a client has few.
  text: (tie) => `
    select o.* from unnest($1::uuid[], $2::text[]) w(client_id, object_id)
     cross join lateral (
       select s.id from sources s where s.client_id = w.client_id ${tie('s.client_id')} union all select w.client_id) s
     cross join lateral (
       select client_id, source_id, object_id, snapshot from objects o
        where o.client_id = w.client_id and o.source_id = s.id and o.object_id = w.object_id and o.kind = 'customer'
          and o.realm is null ${tie('o.client_id')} offset 0) o`,
})

/**
 * Whether a customer that was linked before accounts and modes were told apart can be the one of a key: it is where its events
 * came from, and anywhere when none is known.
 */
async function readCustomerOwners(
  db: Queryable,
  links: readonly LinkRow[],
): Promise<(link: LinkRow, key: string) => boolean> {
  const clientIds = links.map(({ client_id }) => client_id)
  const { rows } = await runCustomerOwners(db, clientIds, [clientIds, links.map(({ customer_id }) => customer_id)])
  if (rows.length === 0) return () => true
  const isOwnedBy = await readOwners(db, rows)
  return (link, key) => {
    const { id, ...realm } = splitRealm(key)
    const known = rows.filter(({ client_id, object_id }) => client_id === link.client_id && object_id === id)
    return known.length === 0 || known.some((row) => isOwnedBy(row, realm))
  }
}

const runUsers = createClientStatement<UserRow>({
  name: 'normalize.load_users',
  text: (tie) => `
    select u.* from unnest($1::uuid[], $2::text[], $3::uuid[]) w(client_id, client_user_id, id)
     cross join lateral (
       select u.client_id, u.id, u.client_user_id, u.email, u.registered from users u
        where u.client_id = w.client_id and u.client_user_id = w.client_user_id ${tie('u.client_id')}
       union all
       select u.client_id, u.id, u.client_user_id, u.email, u.registered from users u
        where u.client_id = w.client_id and u.id = w.id ${tie('u.client_id')}
       offset 0) u`,
})

/** Loads users by the clients' own ids of them, and by ours. */
export async function loadUsers(
  db: Queryable,
  { clientUserIds, userIds }: { clientUserIds: readonly WorldKey[]; userIds: readonly WorldKey[] },
  worlds: ReadonlyMap<string, World>,
): Promise<void> {
  const all = [...clientUserIds, ...userIds]
  if (all.length === 0) return
  const { rows } = await runUsers(db, worlds.keys(), [
    clientsOf(all),
    [...clientUserIds.map(({ key }) => key), ...userIds.map(() => null)],
    [...clientUserIds.map(() => null), ...userIds.map(({ key }) => key)],
  ])
  for (const row of rows) worlds.get(row.client_id)?.users.addUser(userOf(row), null)
}

/** Loads which of these their clients have deleted. */
export async function loadForgotten(
  { db, keyRing }: LoadDeps,
  { customers, clientUserIds }: { customers: readonly WorldKey[]; clientUserIds: readonly WorldKey[] },
): Promise<void> {
  if (!keyRing || customers.length + clientUserIds.length === 0) return
  const unasked = new Set(
    [...customers, ...clientUserIds].flatMap(({ world }) => (world.forgotten.key === undefined ? [world] : [])),
  )
  if (unasked.size > 0) {
    const sealing = await readForgettingKeys(
      db,
      keyRing,
      [...unasked].map(({ clientId }) => clientId),
    )
    for (const world of unasked) world.forgotten.key = sealing.get(world.clientId) ?? null
  }
  const names = [
    // One that was linked before accounts and modes were told apart was forgotten by its bare id.
    ...customers.flatMap((asked) =>
      withBareIds([asked.key]).map((name) => ({ kind: 'customer' as const, name, asked })),
    ),
    ...clientUserIds.map((asked) => ({ kind: 'clientUserId' as const, name: asked.key, asked })),
  ].flatMap((one) => {
    const { key, clientId } = { ...one.asked.world.forgotten, clientId: one.asked.world.clientId }
    return key ? [{ ...one, key, clientId }] : []
  })
  for (const { kind, asked } of await findForgotten(db, names)) {
    const { forgotten } = asked.world
    ;(kind === 'customer' ? forgotten.customers : forgotten.clientUserIds).add(asked.key)
  }
}
