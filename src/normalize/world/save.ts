import type { Queryable } from '../../database/db.ts'
import { createRowInsert } from '../../database/insert-rows.ts'
import { idUnder, realmName, splitRealm } from '../../domain/realm.ts'
import { inLockOrder } from '../lock-order.ts'
import { packSnapshot } from './snapshots.ts'
import type { User } from './users.ts'
import { type KnownObject, objectKeyOf, splitKey, type World } from './world.ts'

/**
 * Writes back what a batch has changed in the worlds of its clients. Rows of a table always come in one order, by client and key: two
 * batches that change the same wait for each other in a line, not in a ring.
 */
export async function saveWorlds(tx: Queryable, worlds: readonly World[]): Promise<void> {
  const rowsOf = <Row extends { clientId: string }>(read: (world: World) => Row[], keyOf: (row: Row) => string) =>
    inLockOrder(worlds.flatMap(read), keyOf)
  await insertObjects(
    tx,
    rowsOf(
      ({ clientId, dirty }) => [...dirty.objects].map((object) => ({ clientId, object })),
      ({ object }) => objectKeyOf(object),
    ),
  )
  await insertUsers(
    tx,
    rowsOf(
      ({ clientId, users }) => [...users.changed].map((user) => ({ clientId, user })),
      ({ user }) => user.id,
    ),
  )
  await insertCustomers(
    tx,
    rowsOf(
      ({ clientId, users }) => [...users.linked].map(([customerId, user]) => ({ clientId, customerId, user })),
      ({ customerId }) => customerId,
    ),
  )
  await insertHolds(
    tx,
    rowsOf(
      ({ clientId, dirty }) => [...dirty.holds].map(([key, until]) => ({ clientId, until, ...splitKey(key) })),
      ({ sourceId, id }) => `${sourceId} ${id}`,
    ),
  )
}

const insertObjects = createRowInsert<{ clientId: string; object: KnownObject }>({
  name: 'normalize.objects',
  table: 'objects',
  columns: {
    client_id: ({ clientId }) => clientId,
    source_id: ({ object }) => object.sourceId,
    object_id: ({ object }) => idUnder(object.realm, object.objectId),
    kind: ({ object }) => object.kind,
    customer_id: ({ object }) => object.customerId,
    snapshot: ({ object }) => JSON.stringify(packSnapshot(object.snapshot)),
    memory: ({ object }) => JSON.stringify(object.memory),
    realm: ({ object }) => object.realm,
  },
  constants: { updated_at: 'now()' },
  end: `on conflict (client_id, source_id, object_id) do update
          set kind = excluded.kind, customer_id = excluded.customer_id, snapshot = excluded.snapshot, memory = excluded.memory,
              realm = excluded.realm, updated_at = excluded.updated_at`,
  isSentAtOnce: true,
})

const insertUsers = createRowInsert<{ clientId: string; user: User }>({
  name: 'normalize.users',
  table: 'users',
  columns: {
    client_id: ({ clientId }) => clientId,
    id: ({ user }) => user.id,
    client_user_id: ({ user }) => user.clientUserId,
  },
  constants: { registered: 'false' },
  end: `on conflict (client_id, id) do update
          set client_user_id = excluded.client_user_id, updated_at = excluded.updated_at`,
  isSentAtOnce: true,
})

const insertCustomers = createRowInsert<{ clientId: string; customerId: string; user: User }>({
  name: 'normalize.user_customers',
  table: 'user_customers',
  columns: {
    client_id: ({ clientId }) => clientId,
    customer_id: ({ customerId }) => customerId,
    user_id: ({ user }) => user.id,
    realm: ({ customerId }) => realmName(splitRealm(customerId)),
  },
  end: 'on conflict (client_id, customer_id) do update set user_id = excluded.user_id, realm = excluded.realm',
  isSentAtOnce: true,
})

const insertHolds = createRowInsert<{ clientId: string; sourceId: string; id: string; until: Date }>({
  name: 'normalize.holds',
  table: 'holds',
  columns: {
    client_id: ({ clientId }) => clientId,
    source_id: ({ sourceId }) => sourceId,
    fact: ({ id }) => id,
    until: ({ until }) => until,
  },
  end: 'on conflict do nothing',
})
