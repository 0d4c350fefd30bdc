import { createClientStatement } from '../../database/client-statement.ts'
import { isSourceOf } from '../../database/source-owner.ts'
import { isUuid } from '../../domain/ids.ts'
import type { Json } from '../../domain/json.ts'
import { splitRealm } from '../../domain/realm.ts'
import { clientsOf, type LoadDeps, type LoadKeys, splitKeys, takeUnloaded, type WorldKey } from './load-keys.ts'
import { loadObjects } from './load-objects.ts'
import { loadForgotten, loadUsers, loadUsersOfCustomers } from './load-users.ts'
import type { Lookups } from './lookups.ts'
import { keyIn, keyOf, splitKey, type World } from './world.ts'

/** Ids of registered checkouts are looked up among those of Stripe's objects, marked so. */
const CHECKOUT = 'checkout:'

/** What is looked up for the events of one client, and the world that it is loaded into. */
export interface WorldLookups {
  world: World
  lookups: Lookups
}

/** Of worlds for which anything was looked up that may point further: the keys of what was found, objects and what was fetched. */
export type FoundKeys = ReadonlyMap<World, ReadonlySet<string>>

/** Loads what one world is to look up; see `loadWorlds`. Answers whether it looked up anything that may point further. */
export const loadLookups = async (deps: LoadDeps, world: World, lookups: Lookups): Promise<boolean> =>
  (await loadWorlds(deps, [{ world, lookups }])).size > 0

/**
 * Loads what is to be looked up and not loaded yet, for all worlds with one statement per kind of fact: each is a list of clients and
 * keys, which are found one by one in an index, however many clients there are. Answers what it has found that may point further.
 */
export async function loadWorlds(deps: LoadDeps, asked: readonly WorldLookups[]): Promise<FoundKeys> {
  const { db } = deps
  const worlds = new Map(asked.map(({ world }) => [world.clientId, world]))
  const load = async (name: keyof Lookups, run: LoadKeys, canLoad = (_: World) => true) => {
    const keys = asked.flatMap(({ world, lookups }) =>
      canLoad(world) ? takeUnloaded(lookups[name], world.loaded[name]).map((key) => ({ world, key })) : [],
    )
    if (keys.length > 0) await run(db, keys, worlds)
    return keys
  }
  await load('sources', loadSources)
  await load('twins', loadTwins)
  // Nothing was ever fetched for sources without an API key.
  const fetches = await load('fetches', loadFetchStates, canFetch)
  const objects = await load('objects', async (...all) => {
    await loadCheckouts(...all)
    await loadObjects(...all)
  })
  const customers = await load('customers', loadUsersOfCustomers)
  const userIds: WorldKey[] = []
  await load('userIds', async (_, keys) => void userIds.push(...keys.filter(({ key }) => isUuid(key))))
  const clientUserIds = await load('clientUserIds', async () => {})
  await loadForgotten(deps, { customers, clientUserIds })
  await loadUsers(db, { clientUserIds, userIds }, worlds)
  await load('facts', loadHolds)
  const lookedUp = [fetches, objects, customers, clientUserIds, userIds].flat()
  const found = new Map(lookedUp.map(({ world }) => [world, new Set<string>()]))
  for (const { world, key } of [...fetches, ...objects]) if (isFound(world, key)) found.get(world)?.add(key)
  return found
}

/** Whether there is something by the key of an object, a registered checkout among them, or of what is fetched. */
const isFound = ({ objects, checkouts, fetchStates }: World, key: string): boolean =>
  objects.has(key) || fetchStates.has(key) || (checkouts.size > 0 && checkouts.has(splitRealm(splitKey(key).id).id))

const canFetch = ({ sources }: World) => [...sources.values()].some(({ hasApiKey }) => hasApiKey)

const runSources = createClientStatement<Json>({
  name: 'normalize.load_sources',
  text: (tie) => `
    select s.* from unnest($1::uuid[], $2::uuid[]) w(client_id, id)
     cross join lateral (
       select w.client_id, s.id, s.api_key is not null as has_api_key, s.plan_ranks, s.ids_by_realm,
              s.routing is not null as is_routed, c.reason_message as open_circuit_reason
         from sources s
         left join hydration_circuits c
           on c.client_id = w.client_id and c.source_id = s.id and c.open_until > now() ${tie('c.client_id')}
        where s.id = w.id and ${isSourceOf('s', 'w.client_id')} offset 0) s`,
})

/** Loads whether sources have an API key, and why their calls are not made at present. */
const loadSources: LoadKeys = async (db, keys, worlds) => {
  const { rows } = await runSources(db, worlds.keys(), [clientsOf(keys), keys.map(({ key }) => key)])
  for (const row of rows)
    worlds.get(row.client_id)?.sources.set(row.id, {
      hasApiKey: row.has_api_key,
      openCircuitReason: row.open_circuit_reason,
      planRanks: row.plan_ranks,
      idsByRealm: row.ids_by_realm,
      isRouted: row.is_routed,
    })
}

// The source is compared afterwards: among the conditions it would let another index seem as good, which is not.
const runTwins = createClientStatement<Json>({
  name: 'normalize.load_twins',
  text: (tie) => `
    select e.* from unnest($1::uuid[], $2::uuid[], $3::text[]) w(client_id, source_id, event_id)
     cross join lateral (
       select client_id, source_id, account, livemode, event_id from source_events e
        where e.client_id = w.client_id and e.event_id = w.event_id ${tie('e.client_id')} offset 0) e
     where e.source_id = w.source_id`,
})

/** Loads which of these snapshot events, twins of thin ones, have arrived. */
const loadTwins: LoadKeys = async (db, keys, worlds) => {
  const { rows } = await runTwins(db, worlds.keys(), [clientsOf(keys), ...splitKeys(keys)])
  for (const row of rows) worlds.get(row.client_id)?.twins.add(keyIn({ ...row, sourceId: row.source_id }, row.event_id))
}

const runFetchStates = createClientStatement<Json>({
  name: 'normalize.load_fetches',
  text: (tie) => `
    select h.* from unnest($1::uuid[], $2::uuid[], $3::text[]) w(client_id, source_id, need)
     cross join lateral (
       select client_id, source_id, need, account, state, wait_until, ask_again_at, fetched_at, result, reason_code, reason_message
         from hydrations h
        where h.client_id = w.client_id and h.source_id = w.source_id and h.need = w.need ${tie('h.client_id')} offset 0) h`,
})

/** Loads how far fetches are, and what they have found. */
const loadFetchStates: LoadKeys = async (db, keys, worlds) => {
  const { rows } = await runFetchStates(db, worlds.keys(), [clientsOf(keys), ...splitKeys(keys)])
  for (const row of rows) {
    // Before accounts and modes were told apart, what one account's event asked for had the key of the source's own.
    const { account, livemode } = splitRealm(row.need)
    const isOther = row.account !== account || (row.result?.livemode ?? livemode) !== livemode
    if (isOther) continue
    worlds.get(row.client_id)?.fetchStates.set(keyOf(row.source_id, row.need), {
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
  for (const { world } of keys) world.completions = new WeakMap()
}

const runCheckouts = createClientStatement<Json>({
  name: 'normalize.load_checkouts',
  text: (tie) => `
    select c.* from unnest($1::uuid[], $2::text[], $3::uuid[]) w(client_id, stripe_session_id, id)
     cross join lateral (
       select c.client_id, c.id, c.stripe_session_id, c.stripe_account, c.client_user_id, c.items, c.subscriptions from checkouts c
        where c.client_id = w.client_id and c.stripe_session_id = w.stripe_session_id ${tie('c.client_id')}
       union all
       select c.client_id, c.id, c.stripe_session_id, c.stripe_account, c.client_user_id, c.items, c.subscriptions from checkouts c
        where c.client_id = w.client_id and c.id = w.id ${tie('c.client_id')}
       offset 0) c`,
})

const loadCheckouts: LoadKeys = async (db, keys, worlds) => {
  const wanted = keys.flatMap(({ world, key }) => {
    const { id } = splitRealm(splitKey(key).id)
    return id.startsWith(CHECKOUT) ? [{ world, key: id.slice(CHECKOUT.length) }] : []
  })
  if (wanted.length === 0) return
  const ids = wanted.map(({ key }) => key)
  const { rows } = await runCheckouts(db, worlds.keys(), [
    clientsOf(wanted),
    ids,
    ids.map((id) => (isUuid(id) ? id : null)),
  ])
  for (const { client_id, ...row } of rows)
    for (const id of [row.id, row.stripe_session_id])
      if (id) worlds.get(client_id)?.checkouts.set(`${CHECKOUT}${id}`, { object: 'checkout', ...row })
}

const runHolds = createClientStatement<{ client_id: string; source_id: string; fact: string; until: Date }>({
  name: 'normalize.load_holds',
  text: (tie) => `
    select h.* from unnest($1::uuid[], $2::uuid[], $3::text[]) w(client_id, source_id, fact)
     cross join lateral (
       select client_id, source_id, fact, until from holds h
        where h.client_id = w.client_id and h.source_id = w.source_id and h.fact = w.fact ${tie('h.client_id')} offset 0) h`,
})

/** Loads the deadlines of missing facts. */
const loadHolds: LoadKeys = async (db, keys, worlds) => {
  const { rows } = await runHolds(db, worlds.keys(), [clientsOf(keys), ...splitKeys(keys)])
  for (const row of rows) worlds.get(row.client_id)?.holds.set(keyOf(row.source_id, row.fact), row.until)
}
