import type { Queryable } from '../../database/db.ts'
import { findForgotten, readForgettingKey } from '../../database/forgotten.ts'
import { isUuid } from '../../domain/ids.ts'
import type { Json } from '../../domain/json.ts'
import { idInRealm, type Realm, realmName, splitRealm } from '../../domain/realm.ts'
import { emptyMemory, type Memory } from '../../language/memory.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import type { Lookups } from './lookups.ts'
import { newestObservationOf, unpackSnapshot } from './snapshots.ts'
import { type KnownObject, keyIn, keyOf, objectKeyOf, type World } from './world.ts'

/** Ids of registered checkouts are looked up among those of Stripe's objects, marked so. */
const CHECKOUT = 'checkout:'

/** `keyRing` opens the key of what was forgotten; left out, nobody was. */
export interface LoadDeps {
  db: Queryable
  keyRing?: Pick<KeyRing, 'decrypt'> | undefined
}

/**
 * Loads what is to be looked up and not loaded yet, with one statement per kind of fact. Answers whether it loaded anything
 * that may point further.
 */
export async function loadLookups({ db: tx, keyRing }: LoadDeps, world: World, lookups: Lookups): Promise<boolean> {
  const { loaded } = world
  const objects = takeUnloaded(lookups.objects, loaded.objects)
  const customers = takeUnloaded(lookups.customers, loaded.customers)
  const clientUserIds = takeUnloaded(lookups.clientUserIds, loaded.clientUserIds)
  await loadSources(tx, world, takeUnloaded(lookups.sources, loaded.sources))
  await loadTwins(tx, world, takeUnloaded(lookups.twins, loaded.twins))
  // Nothing was ever fetched for sources without an API key.
  const canFetch = [...world.sources.values()].some(({ hasApiKey }) => hasApiKey)
  const fetches = canFetch ? takeUnloaded(lookups.fetches, loaded.fetches) : []
  await loadFetchStates(tx, world, fetches)
  await loadCheckouts(tx, world, objects)
  await loadObjects(tx, world, objects)
  await loadUsersOfCustomers(tx, world, customers)
  await loadForgotten({ db: tx, keyRing }, world, { customers, clientUserIds })
  await loadUsers(tx, world, { column: 'client_user_id', values: clientUserIds })
  const userIds = takeUnloaded([...lookups.userIds].filter(isUuid), loaded.userIds)
  await loadUsers(tx, world, { column: 'id', values: userIds })
  const facts = [
    ...lookups.facts,
    ...customers.map((key) => factOf(key, 'client_user_id')),
    ...objects.flatMap((key) => [factOf(key, 'subscription'), factOf(key, 'purchase')]),
  ]
  await loadHolds(tx, world, takeUnloaded(facts, loaded.facts))
  return [objects, customers, clientUserIds, userIds, fetches].some((list) => list.length > 0)
}

/** The key of a fact about what a key names. */
function factOf(key: string, fact: string): string {
  const { id, ...realm } = splitRealm(key)
  return idInRealm(realm, `${fact}:${id.replace(/^link:/, '')}`)
}

/** Those that are not loaded, which count as loaded from here on. */
function takeUnloaded(wanted: Iterable<string>, loaded: Set<string>): string[] {
  // What PostgreSQL has no place for is not there either.
  const unloaded = [...wanted].filter((id) => !loaded.has(id) && !id.includes('\0') && id.isWellFormed())
  for (const id of unloaded) loaded.add(id)
  return unloaded
}

/** Loads which of these the client has deleted. */
async function loadForgotten(
  { db, keyRing }: LoadDeps,
  { clientId, forgotten }: World,
  { customers, clientUserIds }: { customers: readonly string[]; clientUserIds: readonly string[] },
): Promise<void> {
  if (!keyRing || customers.length + clientUserIds.length === 0) return
  if (forgotten.key === undefined) forgotten.key = await readForgettingKey(db, keyRing, clientId)
  if (forgotten.key === null) return
  const names = [
    // One that was linked before accounts and modes were told apart was forgotten by its bare id.
    ...customers.flatMap((key) => withBareIds([key]).map((name) => ({ kind: 'customer' as const, name, asked: key }))),
    ...clientUserIds.map((name) => ({ kind: 'clientUserId' as const, name, asked: name })),
  ]
  for (const { kind, asked } of await findForgotten(db, forgotten.key, clientId, names))
    (kind === 'customer' ? forgotten.customers : forgotten.clientUserIds).add(asked)
}

/** Loads whether sources have an API key, and why their calls are not made at present. */
async function loadSources(tx: Queryable, world: World, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  const { rows } = await tx.query(
    `select s.id, s.api_key is not null as has_api_key, s.plan_ranks, s.ids_by_realm, c.reason_message as open_circuit_reason
       from sources s
       left join hydration_circuits c on c.client_id = s.client_id and c.source_id = s.id and c.open_until > now()
      where s.client_id = $1 and s.id = any($2)`,
    [world.clientId, ids],
  )
  for (const row of rows)
    world.sources.set(row.id, {
      hasApiKey: row.has_api_key,
      openCircuitReason: row.open_circuit_reason,
      planRanks: row.plan_ranks,
      idsByRealm: row.ids_by_realm,
    })
}

/** Loads which of these snapshot events, twins of thin ones, have arrived. */
async function loadTwins(tx: Queryable, world: World, eventIds: readonly string[]): Promise<void> {
  if (eventIds.length === 0) return
  const { rows } = await tx.query(
    `select source_id, account, livemode, event_id from source_events
      where client_id = $1 and source_id = any($2) and event_id = any($3)`,
    [world.clientId, [...world.loaded.sources], eventIds],
  )
  for (const row of rows) world.twins.add(keyIn({ ...row, sourceId: row.source_id }, row.event_id))
}

/** Loads how far fetches are, and what they have found. */
async function loadFetchStates(tx: Queryable, world: World, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return
  const { rows } = await tx.query(
    `select source_id, need, account, state, wait_until, ask_again_at, fetched_at, result, reason_code, reason_message
       from hydrations where client_id = $1 and need = any($2)`,
    [world.clientId, keys],
  )
  for (const row of rows) {
    // Before accounts and modes were told apart, what one account's event asked for had the key of the source's own.
    const { account, livemode } = splitRealm(row.need)
    const isOther = row.account !== account || (row.result?.livemode ?? livemode) !== livemode
    if (isOther) continue
    world.fetchStates.set(keyOf(row.source_id, row.need), {
      state: row.state,
      waitUntil: row.wait_until,
      askAgainAt: row.ask_again_at,
      fetchedAt: row.fetched_at,
      result: row.result,
      code: row.reason_code,
      message: row.reason_message,
    })
  }
  // What was found completes events that had been incomplete.
  world.completions = new WeakMap()
}

async function loadCheckouts(tx: Queryable, world: World, objectIds: readonly string[]): Promise<void> {
  const ids = objectIds.flatMap((key) => {
    const { id } = splitRealm(key)
    return id.startsWith(CHECKOUT) ? [id.slice(CHECKOUT.length)] : []
  })
  if (ids.length === 0) return
  const { rows } = await tx.query(
    `select id, stripe_session_id, stripe_account, client_user_id, items, subscriptions from checkouts
      where client_id = $1 and (stripe_session_id = any($2) or id = any($3))`,
    [world.clientId, ids, ids.filter(isUuid)],
  )
  for (const row of rows)
    for (const id of [row.id, row.stripe_session_id])
      if (id) world.checkouts.set(`${CHECKOUT}${id}`, { object: 'checkout', ...row })
}

async function loadObjects(tx: Queryable, world: World, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return
  const hasOlder = [...world.sources.values()].some(({ idsByRealm }) => !idsByRealm)
  const { rows } = await tx.query<ObjectRow>(
    `select source_id, object_id, kind, customer_id, snapshot, memory, realm from objects
      where client_id = $1 and object_id = any($2)`,
    [world.clientId, hasOlder ? withBareIds(keys) : keys],
  )
  const wanted = new Set(keys)
  for (const row of rows)
    if (row.realm !== null && wanted.has(row.object_id)) putLoaded(world, row, splitRealm(row.object_id))
  await adoptOlderObjects(
    tx,
    world,
    keys,
    rows.filter(({ realm }) => realm === null),
  )
}

/** Keys, and the bare ids in them: what they name may be stored since before accounts and modes were told apart. */
export const withBareIds = (keys: readonly string[]): string[] => [
  ...new Set([...keys, ...keys.map((key) => splitRealm(key).id)]),
]

/** `realm` null: stored before accounts and modes were told apart, by its bare id. */
interface ObjectRow {
  source_id: string
  object_id: string
  kind: string
  customer_id: string | null
  snapshot: Json
  memory: Partial<Memory>
  realm: string | null
}

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
  tx: Queryable,
  world: World,
  keys: readonly string[],
  rows: readonly ObjectRow[],
): Promise<void> {
  if (rows.length === 0) return
  const isOwnedBy = await readOwners(tx, world.clientId, rows)
  const byId = Map.groupBy(keys.map(splitRealm), ({ id }) => id)
  for (const row of rows)
    for (const asked of byId.get(row.object_id) ?? []) {
      const isStored = world.objects.has(keyIn({ ...asked, sourceId: row.source_id }, asked.id))
      if (!isStored && isOwnedBy(row, asked)) putLoaded(world, row, asked)
    }
}

/** Whether an object that is stored by its bare id can be that of a realm. */
async function readOwners(
  tx: Queryable,
  clientId: string,
  rows: readonly Pick<ObjectRow, 'source_id' | 'snapshot'>[],
): Promise<(row: Pick<ObjectRow, 'source_id' | 'snapshot'>, realm: Realm) => boolean> {
  const lastEventOf = (row: Pick<ObjectRow, 'source_id' | 'snapshot'>) =>
    newestObservationOf(unpackSnapshot(row.snapshot))?.eventId ?? null
  const seen = rows.flatMap((row) => {
    const eventId = lastEventOf(row)
    return eventId === null ? [] : [{ sourceId: row.source_id, eventId }]
  })
  const { rows: owners } = await tx.query<{ source_id: string; event_id: string; account: string; livemode: boolean }>(
    `select e.source_id, e.event_id, e.account, e.livemode
       from (select distinct * from unnest($2::uuid[], $3::text[])) s(source_id, event_id)
       join source_events e on e.client_id = $1 and e.source_id = s.source_id and e.event_id = s.event_id`,
    [clientId, seen.map(({ sourceId }) => sourceId), seen.map(({ eventId }) => eventId)],
  )
  const realmsOf = Map.groupBy(owners, ({ source_id, event_id }) => keyOf(source_id, event_id))
  return (row, realm) => {
    const owned = realmsOf.get(keyOf(row.source_id, lastEventOf(row) ?? ''))
    if (owned) return owned.some((owner) => realmName(owner) === realmName(realm))
    const { livemode } = unpackSnapshot(row.snapshot).object ?? {}
    return typeof livemode !== 'boolean' || livemode === (realm.livemode ?? true)
  }
}

interface UserRow {
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

async function loadUsersOfCustomers(tx: Queryable, world: World, customers: readonly string[]): Promise<void> {
  if (customers.length === 0) return
  const { rows } = await tx.query<UserRow & { customer_id: string; realm: string | null }>(
    `select l.customer_id, l.realm, u.id, u.client_user_id, u.email, u.registered
       from user_customers l join users u on u.client_id = l.client_id and u.id = l.user_id
      where l.client_id = $1 and l.customer_id = any($2)`,
    [world.clientId, withBareIds(customers)],
  )
  const wanted = new Set(customers)
  const own = rows.filter(({ customer_id, realm }) => realm !== null && wanted.has(customer_id))
  for (const row of own) world.users.addUser(userOf(row), row.customer_id)
  const older = rows.filter(({ realm }) => realm === null)
  const isOwnedBy = await readCustomerOwners(tx, world.clientId, older, customers)
  for (const row of older)
    for (const key of customers)
      if (splitRealm(key).id === row.customer_id && !own.some((one) => one.customer_id === key) && isOwnedBy(key))
        world.users.addUser(userOf(row), key)
}

/**
 * Whether a customer that was linked before accounts and modes were told apart can be the one of a key: it is where its events
 * came from, and anywhere when none is known.
 */
async function readCustomerOwners(
  tx: Queryable,
  clientId: string,
  links: readonly { customer_id: string }[],
  keys: readonly string[],
): Promise<(key: string) => boolean> {
  if (links.length === 0 || keys.length === 0) return () => true
  const { rows } = await tx.query<ObjectRow>(
    `select source_id, object_id, snapshot from objects
      where client_id = $1 and object_id = any($2) and kind = 'customer' and realm is null`,
    [clientId, links.map(({ customer_id }) => customer_id)],
  )
  if (rows.length === 0) return () => true
  const isOwnedBy = await readOwners(tx, clientId, rows)
  return (key) => {
    const { id, ...realm } = splitRealm(key)
    const known = rows.filter(({ object_id }) => object_id === id)
    return known.length === 0 || known.some((row) => isOwnedBy(row, realm))
  }
}

async function loadUsers(
  tx: Queryable,
  world: World,
  { column, values }: { column: 'id' | 'client_user_id'; values: readonly string[] },
): Promise<void> {
  if (values.length === 0) return
  const { rows } = await tx.query<UserRow>(
    `select id, client_user_id, email, registered from users where client_id = $1 and ${column} = any($2)`,
    [world.clientId, values],
  )
  for (const row of rows) world.users.addUser(userOf(row), null)
}

/** Loads the deadlines of missing facts. */
async function loadHolds(tx: Queryable, world: World, facts: readonly string[]): Promise<void> {
  if (facts.length === 0) return
  const { rows } = await tx.query('select source_id, fact, until from holds where client_id = $1 and fact = any($2)', [
    world.clientId,
    facts,
  ])
  for (const row of rows) world.holds.set(keyOf(row.source_id, row.fact), row.until)
}
