import type { Queryable } from '../db.ts'
import { idOfWords, isUuid } from '../ids.ts'
import { type Ask, loadHydrations, loadSources, loadTwins } from './hydrations.ts'
import type { Kept } from './mapping.ts'
import { emptyMemory, type Memory } from './memory.ts'
import { packed, type Snapshot, unpacked } from './order.ts'
import { People } from './people.ts'
import type { Facts } from './value.ts'
import { noWants, type Wants } from './wants.ts'

/** One Stripe object as we know it. */
export interface Known {
  sourceId: string
  objectId: string
  kind: string
  customerId: string | null
  snapshot: Snapshot
  memory: Memory
}

/** How far something is that was asked of Stripe; the result of an earlier time stays until there is a new one. */
export interface Fetched {
  state: 'pending' | 'done' | 'failed'
  waitUntil: Date
  askAgainAt: Date | null
  fetchedAt: Date | null
  result: any
  code: string | null
  message: string | null
}

/** What a batch of one client's events knows: loaded once, changed event by event, written back at its end. */
export interface World {
  clientId: string
  objects: Map<string, Known>
  /** Registered checkouts, by Flo's id and by Stripe's, whatever the source. */
  checkouts: Map<string, object>
  people: People
  /** Deadlines of missing facts, by source and fact. */
  holds: Map<string, Date>
  /** Whether a source has an API key, and why its calls are not made at present. */
  sources: Map<string, { hydrates: boolean; shut: string | null }>
  /** What was asked of Stripe, by source and need. */
  hydrations: Map<string, Fetched>
  /** Snapshot events that have arrived of those that thin ones name, by source and id. */
  twins: Set<string>
  dirty: {
    objects: Set<Known>
    holds: Map<string, Date>
    /** When our timer looks at an invoice, by source and invoice; null: no longer. The source event told of it. */
    dues: Map<string, { sourceEventId: string; at: Date | null }>
    /** What is to be fetched, by source and need. */
    asks: Map<string, Ask>
  }
  /** Facts that this batch has brought, by source and fact. */
  arrived: Set<string>
  loaded: Wants & { facts: Set<string> }
}

export const keyOf = (sourceId: string, id: string) => `${sourceId}|${id}`

export const emptyWorld = (clientId: string): World => ({
  clientId,
  objects: new Map(),
  checkouts: new Map(),
  people: new People(clientId),
  holds: new Map(),
  sources: new Map(),
  hydrations: new Map(),
  twins: new Set(),
  dirty: { objects: new Set(), holds: new Map(), dues: new Map(), asks: new Map() },
  arrived: new Set(),
  loaded: { ...noWants(), facts: new Set() },
})

/** Ids of registered checkouts are wanted among those of Stripe's objects, marked so. */
const CHECKOUT = 'checkout:'

/** Loads what is wanted and not loaded yet; answers whether anything was. One statement per kind of fact. */
export async function load(tx: Queryable, world: World, wants: Wants): Promise<boolean> {
  const fresh = (wanted: Iterable<string>, loaded: Set<string>) => {
    const missing = [...wanted].filter((id) => !loaded.has(id))
    for (const id of missing) loaded.add(id)
    return missing
  }
  const objects = fresh(wants.objects, world.loaded.objects)
  const customers = fresh(wants.customers, world.loaded.customers)
  const told = fresh(wants.told, world.loaded.told)
  const sources = fresh(wants.sources, world.loaded.sources)
  if (sources.length > 0) await loadSources(tx, world, sources)
  const twins = fresh(wants.twins, world.loaded.twins)
  if (twins.length > 0) await loadTwins(tx, world, twins)
  // Nothing was ever fetched for sources without an API key.
  const hydrates = [...world.sources.values()].some((source) => source.hydrates)
  const needs = hydrates ? fresh(wants.needs, world.loaded.needs) : []
  if (needs.length > 0) await loadHydrations(tx, world, needs)
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
        snapshot: unpacked(row.snapshot),
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
    for (const row of rows) world.people.add(personOf(row), row.customer_id)
  }
  if (told.length > 0) {
    const { rows } = await tx.query(
      'select id, client_user_id, email, registered from users where client_id = $1 and client_user_id = any($2)',
      [world.clientId, told],
    )
    for (const row of rows) world.people.add(personOf(row), null)
  }
  const facts = fresh(
    [
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
  return objects.length + customers.length + told.length + needs.length > 0
}

const personOf = (row: { id: string; client_user_id: string | null; email: string | null; registered: boolean }) => ({
  id: row.id,
  clientUserId: row.client_user_id,
  email: row.email,
  registered: row.registered,
})

/** The world as the evaluator of one source's event sees it; `asked` collects whose users were read, `untold` hears what no event has told. */
export function factsOf(
  world: World,
  sourceId: string,
  asked: Map<string, string | null>,
  untold: (kind: Kept, id: string) => void = () => {},
): Facts {
  return {
    kept(kind, id) {
      const checkout = kind === 'checkout' ? world.checkouts.get(id) : undefined
      if (checkout) return { object: checkout, memory: emptyMemory() }
      const known = world.objects.get(keyOf(sourceId, id))
      if (known?.kind === kind) return { object: known.snapshot.object, memory: known.memory }
      untold(kind, id)
      const fetched = world.hydrations.get(keyOf(sourceId, `${kind}:${id}`))?.result
      return fetched ? { object: fetched, memory: emptyMemory() } : null
    },
    user(customer, told, email) {
      const person = world.people.resolve(customer, told)
      if (customer !== null) asked.set(customer, told)
      return {
        id: person.id,
        clientUserId: person.clientUserId,
        email: (person.registered ? person.email : null) ?? email,
      }
    },
    uuid: (kind, key) => idOfWords(kind, sourceId, key),
    tally: (payment) => world.objects.get(keyOf(sourceId, `tally:${payment}`))?.snapshot.object ?? null,
  }
}

/** Puts a record of our own beside Stripe's objects: a link, a tally. */
export function put(world: World, sourceId: string, kind: string, objectId: string, object: unknown) {
  const key = keyOf(sourceId, objectId)
  const snapshot = { object, tied: [], base: [] }
  const known = world.objects.get(key) ?? {
    sourceId,
    objectId,
    kind,
    customerId: null,
    snapshot,
    memory: emptyMemory(),
  }
  known.snapshot = snapshot
  world.objects.set(key, known)
  world.dirty.objects.add(known)
}

/** Writes the batch's changes back. */
export async function save(tx: Queryable, world: World): Promise<void> {
  const { clientId, people, dirty } = world
  const objects = [...dirty.objects]
  if (objects.length > 0)
    await tx.query(
      `insert into objects (client_id, source_id, object_id, kind, customer_id, snapshot, memory, updated_at)
       select $1, o.*, now() from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::json[], $7::json[]) o
       on conflict (client_id, source_id, object_id) do update
         set kind = excluded.kind, customer_id = excluded.customer_id, snapshot = excluded.snapshot, memory = excluded.memory,
             updated_at = excluded.updated_at`,
      [
        clientId,
        objects.map(({ sourceId }) => sourceId),
        objects.map(({ objectId }) => objectId),
        objects.map(({ kind }) => kind),
        objects.map(({ customerId }) => customerId),
        objects.map(({ snapshot }) => JSON.stringify(packed(snapshot))),
        objects.map(({ memory }) => JSON.stringify(memory)),
      ],
    )
  const persons = [...people.changed]
  if (persons.length > 0)
    await tx.query(
      `insert into users (client_id, id, client_user_id, registered)
       select $1, u.id, u.client_user_id, false from unnest($2::uuid[], $3::text[]) u(id, client_user_id)
       on conflict (client_id, id) do update set client_user_id = excluded.client_user_id, updated_at = now()`,
      [clientId, persons.map(({ id }) => id), persons.map(({ clientUserId }) => clientUserId)],
    )
  if (people.linked.size > 0)
    await tx.query(
      `insert into user_customers (client_id, customer_id, user_id)
       select $1, l.customer_id, l.user_id from unnest($2::text[], $3::uuid[]) l(customer_id, user_id)
       on conflict (client_id, customer_id) do update set user_id = excluded.user_id`,
      [clientId, [...people.linked.keys()], [...people.linked.values()].map(({ id }) => id)],
    )
  if (dirty.holds.size > 0) {
    const holds = [...dirty.holds].map(([key, until]) => ({ sourceId: key.slice(0, 36), fact: key.slice(37), until }))
    await tx.query(
      `insert into holds (client_id, source_id, fact, until)
       select $1, h.* from unnest($2::uuid[], $3::text[], $4::timestamptz[]) h on conflict do nothing`,
      [clientId, holds.map(({ sourceId }) => sourceId), holds.map(({ fact }) => fact), holds.map(({ until }) => until)],
    )
  }
}
