import type { Queryable } from '../../database/db.ts'
import { inOrder } from '../batch.ts'
import type { Due, Outcome } from '../source-event.ts'
import { type Normalized, normalize, wantsOf } from '../source-event-outcome.ts'
import { sightOf } from '../source-events.ts'
import { load } from '../world/load.ts'
import { noWants, type Wants } from '../world/lookups.ts'
import { rewind } from '../world/rewind.ts'
import { emptyWorld, keyOf, type World } from '../world/world.ts'
import { type Shelf, shelf } from './shelf.ts'

/** What a source event came to in the scratch world. */
export interface Told {
  due: Due
  outcome: Outcome
  /** Without what another event in the scratch world had told before. */
  events: Normalized[]
  /** What could make this another answer than the one that was given then; null: nothing. */
  unsure: string | null
}

export interface Scratch {
  /** Loads at once what these events want. */
  prepare(dues: readonly Due[]): Promise<void>
  /** One more event, in the order of receipt; answers what is settled by it, itself or others that had waited. */
  next(due: Due): Promise<Told[]>
  /** The deadlines of all that still waits come. */
  finish(): Promise<Told[]>
  close(): void
}

interface Waiting {
  due: Due
  until: Date
  facts: readonly string[]
}

/**
 * A client's world as it was at `since`, as far as that can be told from what is known today, in which source events are
 * normalised once more. Nothing is written. Time is what the events' receipts say, so that holds end as they did.
 */
export function scratch(
  { db, holdSeconds, most = 5000 }: { db: Queryable; holdSeconds: number; most?: number },
  clientId: string,
  { since, floor, sourceIds }: { since: Date; floor: string; sourceIds: readonly string[] },
): Scratch {
  const world = emptyWorld(clientId)
  const kept: Shelf = shelf(world, most)
  const told = new Set<string>()
  const clouds: Clouds = { gone: new Set(), thinned: new Set() }
  let waiting: Waiting[] = []

  const keysOf = (ids: Iterable<string>) => [...ids].flatMap((id) => sourceIds.map((sourceId) => keyOf(sourceId, id)))

  /** Loads what is wanted and was never wanted before, as it was at the start. */
  const loaded = async (wants: Wants): Promise<boolean> => {
    const fresh = [...wants.objects].filter((id) => !world.loaded.objects.has(id))
    const customers = [...wants.customers].filter((id) => !world.loaded.customers.has(id))
    const any = await load(db, world, wants)
    if (fresh.length > 0) {
      for (const key of await dropTallies(db, world, fresh, since)) clouds.gone.add(key)
      const known = keysOf(fresh).flatMap((key) => world.objects.get(key) ?? [])
      for (const one of await rewind(db, clientId, known, floor)) {
        if (one.lost === 0) continue
        one.known.memory.said = {}
        clouds[one.left === 0 ? 'gone' : 'thinned'].add(keyOf(one.known.sourceId, one.known.objectId))
      }
    }
    if (customers.length > 0) await forgetLearnt(db, world, customers, since)
    // Deadlines that began later are set anew by whoever misses the fact.
    for (const [key, until] of world.holds)
      if (until.getTime() >= since.getTime() + holdSeconds * 1000 && !world.dirty.holds.has(key))
        world.holds.delete(key)
    return any
  }
  const ready = async (dues: readonly Due[]): Promise<Wants> => {
    const wants = noWants()
    do {
      for (const due of dues) if (due.body) wantsOf(world, due, wants)
      kept.fetch(keysOf(wants.objects))
    } while (await loaded(wants))
    kept.fetch(keysOf(wants.objects))
    return wants
  }

  const tell = async (due: Due, now: Date): Promise<Told[]> => {
    const wants = await ready([due])
    const unsure = unsureOf(due, world, wants, clouds)
    const { outcome, events } = normalize(world, due, { now, holdSeconds })
    const { dirty, people } = world
    dirty.objects.clear()
    dirty.dues.clear()
    dirty.asks.clear()
    people.changed.clear()
    people.linked.clear()
    if (outcome.state === 'held') {
      waiting.push({ due, until: outcome.heldUntil!, facts: outcome.heldFor ?? [] })
      return []
    }
    const fresh = events.filter(({ contract, key }) => !told.has(`${contract} ${key}`))
    for (const { contract, key } of fresh) told.add(`${contract} ${key}`)
    return [{ due, outcome, events: fresh, unsure }, ...(await release(now))]
  }
  /** Goes on with what waited for facts that have arrived. */
  const release = async (now: Date): Promise<Told[]> => {
    const arrived = new Set(world.arrived)
    world.arrived.clear()
    const freed = ({ due, facts }: Waiting) => facts.some((fact) => arrived.has(keyOf(due.sourceId, fact)))
    const going = waiting.filter(freed)
    waiting = waiting.filter((one) => !going.includes(one))
    return inTurn(going, () => now)
  }
  const inTurn = async (going: readonly Waiting[], now: (one: Waiting) => Date): Promise<Told[]> => {
    const done: Told[] = []
    const byDue = new Map(going.map((one) => [one.due, one]))
    for (const due of inOrder([...byDue.keys()])) done.push(...(await tell(due, now(byDue.get(due)!))))
    return done
  }
  const deadlines = async (until: Date): Promise<Told[]> => {
    const going = waiting.filter((one) => one.until <= until)
    waiting = waiting.filter((one) => one.until > until)
    return inTurn(going, (one) => one.until)
  }

  return {
    async prepare(dues) {
      kept.tidy()
      await ready(dues)
    },
    async next(due) {
      const ended = await deadlines(due.receivedAt)
      return [...ended, ...(await tell(due, due.receivedAt))]
    },
    async finish() {
      const done: Told[] = []
      while (waiting.length > 0) done.push(...(await deadlines(new Date(8.64e15))))
      return done
    },
    close: kept.close,
  }
}

/** Objects of which something is forgotten: all that was known at the start, or the older part of it. */
interface Clouds {
  gone: Set<string>
  thinned: Set<string>
}

/** Why what is made of an event may differ from what was made of it then; null: all that it reads is as it was. */
function unsureOf(due: Due, world: World, wants: Wants, { gone, thinned }: Clouds): string | null {
  if (!due.body) return null
  const { objectId, kind, created } = sightOf(due)
  const own = keyOf(due.sourceId, objectId ?? '')
  // From its birth on everything is known.
  if (due.type.endsWith('.created')) gone.delete(own)
  const newest = world.objects.get(own)?.snapshot.tied[0]
  const late = thinned.has(own) && newest !== undefined && newest.created >= created && newest.eventId !== due.eventId
  const missing =
    [...wants.objects].find((id) => gone.has(keyOf(due.sourceId, id))) ?? (late && objectId ? objectId : undefined)
  if (missing === undefined) return null
  const what = missing === objectId ? `the ${kind} ${missing}` : missing.replace(/^tally:/, 'the refunds of ')
  return `What was known of ${what} at the start of the window is not kept: look further back to be sure.`
}

/** What was counted of a payment's refunds carries no time of its own: where it changed since, it is counted anew. */
async function dropTallies(db: Queryable, world: World, ids: readonly string[], since: Date): Promise<string[]> {
  const { rows } = await db.query(
    `select source_id, object_id from objects
      where client_id = $1 and object_id = any($2) and kind = 'tally' and updated_at >= $3`,
    [world.clientId, ids, since],
  )
  const keys = rows.map(({ source_id, object_id }) => keyOf(source_id, object_id))
  for (const key of keys) world.objects.delete(key)
  return keys
}

/** Users that events have made or named since the start are met anew; those that the API registered stay known. */
async function forgetLearnt(db: Queryable, world: World, customers: readonly string[], since: Date) {
  const { rows } = await db.query(
    `select l.customer_id, u.created_at >= $3 as made
       from user_customers l join users u on u.client_id = $1 and u.id = l.user_id
      where l.client_id = $1 and l.customer_id = any($2) and not u.registered and u.updated_at >= $3`,
    [world.clientId, customers, since],
  )
  for (const { customer_id, made } of rows) {
    const person = world.people.byCustomer.get(customer_id)
    if (!person) continue
    if (person.clientUserId !== null) world.people.byClientUserId.delete(person.clientUserId)
    if (made) world.people.byCustomer.delete(customer_id)
    else person.clientUserId = null
  }
}
