import { createClientStatement } from '../../database/client-statement.ts'
import type { Queryable } from '../../database/db.ts'
import { OPERATOR_CLIENT } from '../../domain/ids.ts'
import type { Json } from '../../domain/json.ts'
import { type Realm, realmName, splitRealm } from '../../domain/realm.ts'
import { emptyMemory, type Memory } from '../../language/memory.ts'
import type { LoadKeys, WorldKey } from './load-keys.ts'
import { newestObservationOf, unpackSnapshot } from './snapshots.ts'
import { type KnownObject, keyIn, keyOf, objectKeyOf, splitKey, type World } from './world.ts'

/** `realm` null: stored before accounts and modes were told apart, by its bare id. */
export interface ObjectRow {
  client_id: string
  source_id: string
  object_id: string
  kind: string
  customer_id: string | null
  snapshot: Json
  memory: Partial<Memory>
  realm: string | null
}

const runObjects = createClientStatement<ObjectRow>({
  name: 'normalize.load_objects',
  text: (tie) => `
    select o.* from unnest($1::uuid[], $2::uuid[], $3::text[]) w(client_id, source_id, object_id)
     cross join lateral (
       select client_id, source_id, object_id, kind, customer_id, snapshot, memory, realm from objects o
        where o.client_id = w.client_id and o.source_id = w.source_id and o.object_id = w.object_id ${tie('o.client_id')}
       offset 0) o`,
})

/** Loads what is known of objects, by the source and the id in its account and mode. */
export const loadObjects: LoadKeys = async (db, keys, worlds) => {
  const wanted = new Map([...Map.groupBy(keys, ({ world }) => world)].map(([world, of]) => [world, keysOf(of)]))
  const asked = [...wanted].flatMap(([world, own]) =>
    [...(hasOlder(world) ? withBareKeys(own) : own)].map((key) => ({ clientId: world.clientId, ...splitKey(key) })),
  )
  const { rows } = await runObjects(db, worlds.keys(), [
    asked.map(({ clientId }) => clientId),
    asked.map(({ sourceId }) => sourceId),
    asked.map(({ id }) => id),
  ])
  for (const row of rows) {
    const world = worlds.get(row.client_id)
    if (world && row.realm !== null && wanted.get(world)?.has(keyOf(row.source_id, row.object_id)))
      putLoaded(world, row, splitRealm(row.object_id))
  }
  await loadSharedObjects(db, keys)
  const older = rows.filter(({ realm }) => realm === null)
  if (older.length > 0) await adoptOlderObjects(db, worlds, { rows: older, wanted })
}

/**
 * Products, prices and what else belongs to nobody is known once for all clients of a source that routes: by the operator's client. Its own
 * statement, since its rows may lie on another node than the clients'.
 */
async function loadSharedObjects(db: Queryable, keys: readonly WorldKey[]): Promise<void> {
  const wanted = keys.filter(({ world, key }) => {
    const { sourceId, id } = splitKey(key)
    return (
      world.sources.get(sourceId)?.isRouted &&
      !world.objects.has(key) &&
      splitRealm(id).account === '' &&
      mayBeShared(id)
    )
  })
  if (wanted.length === 0) return
  const asked = new Map(wanted.map(({ key }) => [key, splitKey(key)]))
  const { rows } = await runObjects(
    db,
    [OPERATOR_CLIENT],
    [
      [...asked].map(() => OPERATOR_CLIENT),
      [...asked.values()].map(({ sourceId }) => sourceId),
      [...asked.values()].map(({ id }) => id),
    ],
  )
  const byKey = new Map(rows.map((row) => [keyOf(row.source_id, row.object_id), row]))
  for (const { world, key } of wanted) {
    const row = byKey.get(key)
    if (row && row.realm !== null) putLoaded(world, row, splitRealm(row.object_id))
  }
}

/** Our own keys (`link:`, `tally:`, `checkout:`) and ids of what belongs to a customer are not asked for. */
const mayBeShared = (key: string): boolean =>
  !/^(\w+:|(cus|sub|in|pi|ch|py|cs|re|cn|pm|si|il)_)/.test(splitRealm(key).id)

const keysOf = (keys: readonly WorldKey[]): ReadonlySet<string> => new Set(keys.map(({ key }) => key))

/** Whether a source is older than the telling apart of accounts and modes. */
const hasOlder = ({ sources }: World) => [...sources.values()].some(({ idsByRealm }) => !idsByRealm)

/** Ids, and the bare ones in them: what they name may be stored since before accounts and modes were told apart. */
export const withBareIds = (ids: readonly string[]): string[] => [
  ...new Set([...ids, ...ids.map((id) => splitRealm(id).id)]),
]

const withBareKeys = (keys: ReadonlySet<string>): ReadonlySet<string> =>
  new Set([...keys].flatMap((key) => [key, keyOf(splitKey(key).sourceId, splitRealm(splitKey(key).id).id)]))

function putLoaded(world: World, row: ObjectRow, { id, ...realm }: ReturnType<typeof splitRealm>): void {
  const known: KnownObject = {
    sourceId: row.source_id,
    realm: realmName(realm),
    objectId: id,
    kind: row.kind,
    customerId: row.customer_id,
    snapshot: unpackSnapshot(row.snapshot),
    memory: { ...emptyMemory(), ...row.memory },
  }
  world.objects.set(objectKeyOf(known), known)
}

/**
 * What is stored by a bare id belongs to the account and mode of the event that was seen last of it; where that cannot be told,
 * to whichever asks for it first. An object that its own account and mode have stored since is left alone.
 */
async function adoptOlderObjects(
  db: Queryable,
  worlds: ReadonlyMap<string, World>,
  { rows, wanted }: { rows: readonly ObjectRow[]; wanted: ReadonlyMap<World, ReadonlySet<string>> },
): Promise<void> {
  const isOwnedBy = await readOwners(db, rows)
  const byBareKey = new Map(
    [...wanted].map(([world, keys]) => [
      world,
      Map.groupBy(
        [...keys].map((key) => ({ sourceId: splitKey(key).sourceId, ...splitRealm(splitKey(key).id) })),
        ({ sourceId, id }) => keyOf(sourceId, id),
      ),
    ]),
  )
  for (const row of rows) {
    const world = worlds.get(row.client_id)
    if (!world) continue
    for (const { sourceId: _, ...asked } of byBareKey.get(world)?.get(keyOf(row.source_id, row.object_id)) ?? []) {
      const isStored = world.objects.has(keyIn({ ...asked, sourceId: row.source_id }, asked.id))
      if (!isStored && isOwnedBy(row, asked)) putLoaded(world, row, asked)
    }
  }
}

type OwnedRow = Pick<ObjectRow, 'client_id' | 'source_id' | 'snapshot'>

const runOwners = createClientStatement<Json>({
  name: 'normalize.load_owners',
  text: (tie) => `
    select e.* from (select distinct * from unnest($1::uuid[], $2::uuid[], $3::text[]) s(client_id, source_id, event_id)) w
     cross join lateral (
       select client_id, source_id, event_id, account, livemode from source_events e
        where e.client_id = w.client_id and e.event_id = w.event_id ${tie('e.client_id')} offset 0) e
     where e.source_id = w.source_id`,
})

/** Whether an object that is stored by its bare id can be that of a realm. */
export async function readOwners(
  db: Queryable,
  rows: readonly OwnedRow[],
): Promise<(row: OwnedRow, realm: Realm) => boolean> {
  const lastEventOf = ({ snapshot }: OwnedRow) => newestObservationOf(unpackSnapshot(snapshot))?.eventId ?? null
  const seen = rows.flatMap((row) => {
    const eventId = lastEventOf(row)
    return eventId === null ? [] : [{ clientId: row.client_id, sourceId: row.source_id, eventId }]
  })
  const { rows: owners } = await runOwners(
    db,
    rows.map(({ client_id }) => client_id),
    [seen.map(({ clientId }) => clientId), seen.map(({ sourceId }) => sourceId), seen.map(({ eventId }) => eventId)],
  )
  const realmsOf = Map.groupBy(owners, (owner) => `${owner.client_id} ${keyOf(owner.source_id, owner.event_id)}`)
  return (row, realm) => {
    const owned = realmsOf.get(`${row.client_id} ${keyOf(row.source_id, lastEventOf(row) ?? '')}`)
    if (owned) return owned.some((owner) => realmName(owner) === realmName(realm))
    const { livemode } = unpackSnapshot(row.snapshot).object ?? {}
    return typeof livemode !== 'boolean' || livemode === (realm.livemode ?? true)
  }
}
