import type { Queryable } from '../../database/db.ts'
import { idUnder, realmName, splitRealm } from '../../domain/realm.ts'
import { packSnapshot } from './snapshots.ts'
import { splitKey, type World } from './world.ts'

/** Writes the batch's changes back. */
export async function saveWorld(tx: Queryable, world: World): Promise<void> {
  const { clientId, users: people, dirty } = world
  const objects = [...dirty.objects]
  if (objects.length > 0)
    await tx.query(
      `insert into objects (client_id, source_id, object_id, kind, customer_id, snapshot, memory, realm, updated_at)
       select $1, o.*, now()
         from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::json[], $7::json[], $8::text[]) o
       on conflict (client_id, source_id, object_id) do update
         set kind = excluded.kind, customer_id = excluded.customer_id, snapshot = excluded.snapshot, memory = excluded.memory,
             realm = excluded.realm, updated_at = excluded.updated_at`,
      [
        clientId,
        objects.map(({ sourceId }) => sourceId),
        objects.map(({ realm, objectId }) => idUnder(realm, objectId)),
        objects.map(({ kind }) => kind),
        objects.map(({ customerId }) => customerId),
        objects.map(({ snapshot }) => JSON.stringify(packSnapshot(snapshot))),
        objects.map(({ memory }) => JSON.stringify(memory)),
        objects.map(({ realm }) => realm),
      ],
    )
  const changedUsers = [...people.changed]
  if (changedUsers.length > 0)
    await tx.query(
      `insert into users (client_id, id, client_user_id, registered)
       select $1, u.id, u.client_user_id, false from unnest($2::uuid[], $3::text[]) u(id, client_user_id)
       on conflict (client_id, id) do update set client_user_id = excluded.client_user_id, updated_at = excluded.updated_at`,
      [clientId, changedUsers.map(({ id }) => id), changedUsers.map(({ clientUserId }) => clientUserId)],
    )
  if (people.linked.size > 0)
    await tx.query(
      `insert into user_customers (client_id, customer_id, user_id, realm)
       select $1, l.customer_id, l.user_id, l.realm from unnest($2::text[], $3::uuid[], $4::text[]) l(customer_id, user_id, realm)
       on conflict (client_id, customer_id) do update set user_id = excluded.user_id, realm = excluded.realm`,
      [
        clientId,
        [...people.linked.keys()],
        [...people.linked.values()].map(({ id }) => id),
        [...people.linked.keys()].map((key) => realmName(splitRealm(key))),
      ],
    )
  if (dirty.holds.size > 0) {
    const holds = [...dirty.holds].map(([key, until]) => ({ ...splitKey(key), until }))
    await tx.query(
      `insert into holds (client_id, source_id, fact, until)
       select $1, h.* from unnest($2::uuid[], $3::text[], $4::timestamptz[]) h on conflict do nothing`,
      [clientId, holds.map(({ sourceId }) => sourceId), holds.map(({ id }) => id), holds.map(({ until }) => until)],
    )
  }
}
