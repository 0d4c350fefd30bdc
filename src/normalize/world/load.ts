import type { Queryable } from '../../database/db.ts'
import { isUuid } from '../../domain/ids.ts'
import { emptyMemory } from '../../language/memory.ts'
import type { Lookups } from './lookups.ts'
import { unpackSnapshot } from './snapshots.ts'
import { keyOf, type World } from './world.ts'

/** Ids of registered checkouts are wanted among those of Stripe's objects, marked so. */
const CHECKOUT = 'checkout:'

/** Loads what is wanted and not loaded yet; answers whether anything was. One statement per kind of fact. */
export async function loadLookups(tx: Queryable, world: World, wants: Lookups): Promise<boolean> {
  const takeUnloaded = (wanted: Iterable<string>, loaded: Set<string>) => {
    const missing = [...wanted].filter((id) => !loaded.has(id))
    for (const id of missing) loaded.add(id)
    return missing
  }
  const objects = takeUnloaded(wants.objects, world.loaded.objects)
  const customers = takeUnloaded(wants.customers, world.loaded.customers)
  const told = takeUnloaded(wants.clientUserIds, world.loaded.clientUserIds)
  const sources = takeUnloaded(wants.sources, world.loaded.sources)
  if (sources.length > 0) await loadSources(tx, world, sources)
  const twins = takeUnloaded(wants.twins, world.loaded.twins)
  if (twins.length > 0) await loadTwins(tx, world, twins)
  // Nothing was ever fetched for sources without an API key.
  const hydrates = [...world.sources.values()].some((source) => source.hasApiKey)
  const needs = hydrates ? takeUnloaded(wants.fetches, world.loaded.fetches) : []
  if (needs.length > 0) await loadFetchStates(tx, world, needs)
  const checkouts = objects.filter((id) => id.startsWith(CHECKOUT)).map((id) => id.slice(CHECKOUT.length))
  if (checkouts.length > 0) {
    const { rows } = await tx.query(
      `select id, stripe_session_id, client_user_id, items, subscriptions from checkouts
        where client_id = $1 and (stripe_session_id = any($2) or id = any($3))`,
      [world.clientId, checkouts, checkouts.filter(isUuid)],
    )
    for (const row of rows)
      for (const id of [row.id, row.stripe_session_id])
        if (id) world.checkouts.set(`${CHECKOUT}${id}`, { object: 'checkout', ...row })
  }
  if (objects.length > 0) {
    const { rows } = await tx.query(
      `select source_id, object_id, kind, customer_id, snapshot, memory from objects
        where client_id = $1 and object_id = any($2)`,
      [world.clientId, objects],
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
  if (customers.length > 0) {
    const { rows } = await tx.query(
      `select l.customer_id, u.id, u.client_user_id, u.email, u.registered
         from user_customers l join users u on u.client_id = l.client_id and u.id = l.user_id
        where l.client_id = $1 and l.customer_id = any($2)`,
      [world.clientId, customers],
    )
    for (const row of rows) world.users.addUser(userOf(row), row.customer_id)
  }
  if (told.length > 0) {
    const { rows } = await tx.query(
      'select id, client_user_id, email, registered from users where client_id = $1 and client_user_id = any($2)',
      [world.clientId, told],
    )
    for (const row of rows) world.users.addUser(userOf(row), null)
  }
  const named = takeUnloaded(wants.userIds, world.loaded.userIds)
  if (named.length > 0) {
    const { rows } = await tx.query(
      'select id, client_user_id, email, registered from users where client_id = $1 and id = any($2)',
      [world.clientId, named],
    )
    for (const row of rows) world.users.addUser(userOf(row), null)
  }
  const facts = takeUnloaded(
    [
      ...wants.facts,
      ...customers.map((id) => `client_user_id:${id}`),
      ...objects.flatMap((id) => [`subscription:${id}`, `purchase:${id.replace(/^link:/, '')}`]),
    ],
    world.loaded.facts,
  )
  if (facts.length > 0) {
    const { rows } = await tx.query(
      'select source_id, fact, until from holds where client_id = $1 and fact = any($2)',
      [world.clientId, facts],
    )
    for (const row of rows) world.holds.set(keyOf(row.source_id, row.fact), row.until)
  }
  return objects.length + customers.length + told.length + named.length + needs.length > 0
}

const userOf = (row: { id: string; client_user_id: string | null; email: string | null; registered: boolean }) => ({
  id: row.id,
  clientUserId: row.client_user_id,
  email: row.email,
  registered: row.registered,
})

/** Loads whether sources have an API key, and why their calls are not made at present. */
async function loadSources(tx: Queryable, world: World, ids: readonly string[]): Promise<void> {
  const { rows } = await tx.query(
    `select s.id, s.api_key is not null as hydrates, s.plan_ranks, c.reason_message as shut
       from sources s
       left join hydration_circuits c on c.client_id = s.client_id and c.source_id = s.id and c.open_until > now()
      where s.client_id = $1 and s.id = any($2)`,
    [world.clientId, ids],
  )
  for (const { id, hydrates, shut, plan_ranks } of rows)
    world.sources.set(id, { hasApiKey: hydrates, shutReason: shut, planRanks: plan_ranks })
}

/** Loads what is known of these needs. */
async function loadFetchStates(tx: Queryable, world: World, needs: readonly string[]): Promise<void> {
  const { rows } = await tx.query(
    `select source_id, need, state, wait_until, ask_again_at, fetched_at, result, reason_code, reason_message
       from hydrations where client_id = $1 and need = any($2)`,
    [world.clientId, needs],
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
}

/** Loads which of these snapshot events, twins of thin ones, have arrived. */
async function loadTwins(tx: Queryable, world: World, eventIds: readonly string[]): Promise<void> {
  const { rows } = await tx.query(
    `select source_id, event_id from source_events
      where client_id = $1 and source_id = any($2) and event_id = any($3)`,
    [world.clientId, [...world.loaded.sources], eventIds],
  )
  for (const row of rows) world.twins.add(keyOf(row.source_id, row.event_id))
}
