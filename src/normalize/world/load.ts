import type { Queryable } from '../../database/db.ts'
import { isUuid } from '../../domain/ids.ts'
import { emptyMemory } from '../../language/memory.ts'
import type { Lookups } from './lookups.ts'
import { unpackSnapshot } from './snapshots.ts'
import { keyOf, type World } from './world.ts'

/** Ids of registered checkouts are looked up among those of Stripe's objects, marked so. */
const CHECKOUT = 'checkout:'

/**
 * Loads what is to be looked up and not loaded yet, with one statement per kind of fact. Answers whether it loaded anything
 * that may point further.
 */
export async function loadLookups(tx: Queryable, world: World, lookups: Lookups): Promise<boolean> {
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
  await loadUsers(tx, world, { column: 'client_user_id', values: clientUserIds })
  const userIds = takeUnloaded(lookups.userIds, loaded.userIds)
  await loadUsers(tx, world, { column: 'id', values: userIds })
  const facts = [
    ...lookups.facts,
    ...customers.map((id) => `client_user_id:${id}`),
    ...objects.flatMap((id) => [`subscription:${id}`, `purchase:${id.replace(/^link:/, '')}`]),
  ]
  await loadHolds(tx, world, takeUnloaded(facts, loaded.facts))
  return [objects, customers, clientUserIds, userIds, fetches].some((list) => list.length > 0)
}

/** Those that are not loaded, which count as loaded from here on. */
function takeUnloaded(wanted: Iterable<string>, loaded: Set<string>): string[] {
  const unloaded = [...wanted].filter((id) => !loaded.has(id))
  for (const id of unloaded) loaded.add(id)
  return unloaded
}

/** Loads whether sources have an API key, and why their calls are not made at present. */
async function loadSources(tx: Queryable, world: World, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  const { rows } = await tx.query(
    `select s.id, s.api_key is not null as has_api_key, s.plan_ranks, c.reason_message as open_circuit_reason
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
    })
}

/** Loads which of these snapshot events, twins of thin ones, have arrived. */
async function loadTwins(tx: Queryable, world: World, eventIds: readonly string[]): Promise<void> {
  if (eventIds.length === 0) return
  const { rows } = await tx.query(
    `select source_id, event_id from source_events
      where client_id = $1 and source_id = any($2) and event_id = any($3)`,
    [world.clientId, [...world.loaded.sources], eventIds],
  )
  for (const row of rows) world.twins.add(keyOf(row.source_id, row.event_id))
}

/** Loads how far fetches are, and what they have found. */
async function loadFetchStates(tx: Queryable, world: World, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return
  const { rows } = await tx.query(
    `select source_id, need, state, wait_until, ask_again_at, fetched_at, result, reason_code, reason_message
       from hydrations where client_id = $1 and need = any($2)`,
    [world.clientId, keys],
  )
  for (const row of rows)
    world.fetchStates.set(keyOf(row.source_id, row.need), {
      state: row.state,
      waitUntil: row.wait_until,
      askAgainAt: row.ask_again_at,
      fetchedAt: row.fetched_at,
      result: row.result,
      code: row.reason_code,
      message: row.reason_message,
    })
  // What was found completes events that had been incomplete.
  world.completions = new WeakMap()
}

async function loadCheckouts(tx: Queryable, world: World, objectIds: readonly string[]): Promise<void> {
  const ids = objectIds.filter((id) => id.startsWith(CHECKOUT)).map((id) => id.slice(CHECKOUT.length))
  if (ids.length === 0) return
  const { rows } = await tx.query(
    `select id, stripe_session_id, client_user_id, items, subscriptions from checkouts
      where client_id = $1 and (stripe_session_id = any($2) or id = any($3))`,
    [world.clientId, ids, ids.filter(isUuid)],
  )
  for (const row of rows)
    for (const id of [row.id, row.stripe_session_id])
      if (id) world.checkouts.set(`${CHECKOUT}${id}`, { object: 'checkout', ...row })
}

async function loadObjects(tx: Queryable, world: World, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  const { rows } = await tx.query(
    `select source_id, object_id, kind, customer_id, snapshot, memory from objects
      where client_id = $1 and object_id = any($2)`,
    [world.clientId, ids],
  )
  for (const row of rows)
    world.objects.set(keyOf(row.source_id, row.object_id), {
      sourceId: row.source_id,
      objectId: row.object_id,
      kind: row.kind,
      customerId: row.customer_id,
      snapshot: unpackSnapshot(row.snapshot),
      memory: { ...emptyMemory(), ...row.memory },
    })
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
  const { rows } = await tx.query<UserRow & { customer_id: string }>(
    `select l.customer_id, u.id, u.client_user_id, u.email, u.registered
       from user_customers l join users u on u.client_id = l.client_id and u.id = l.user_id
      where l.client_id = $1 and l.customer_id = any($2)`,
    [world.clientId, customers],
  )
  for (const row of rows) world.users.addUser(userOf(row), row.customer_id)
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
