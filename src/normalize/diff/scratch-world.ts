import type { ContractMappings } from '../../../mappings/offer.ts'
import type { Queryable } from '../../database/db.ts'
import { sortByOccurrence } from '../batch.ts'
import { collectLookups } from '../collect-lookups.ts'
import type { NewEvent } from '../new-events.ts'
import { normalizeSourceEvent } from '../normalize-event.ts'
import type { SourceEvent, SourceEventOutcome } from '../source-event.ts'
import { observationOf } from '../source-events.ts'
import { loadLookups } from '../world/load.ts'
import { type Lookups, noLookups } from '../world/lookups.ts'
import { rewindObjects } from '../world/rewind.ts'
import { emptyWorld, keyOf, type World } from '../world/world.ts'
import { createSpillCache, type SpillCache } from './spill-cache.ts'

/** What a source event came to in the scratch world. */
export interface ScratchOutcome {
  due: SourceEvent
  outcome: SourceEventOutcome
  /** Without what another event in the scratch world had told before. */
  events: NewEvent[]
  /** What could make this another answer than the one that was given then; null: nothing. */
  unsure: string | null
}

export interface ScratchWorld {
  /** Loads at once what these events want. */
  prepareFor(dues: readonly SourceEvent[]): Promise<void>
  /** One more event, in the order of receipt; answers what is settled by it, itself or others that had waited. */
  normalizeNext(due: SourceEvent): Promise<ScratchOutcome[]>
  /** The deadlines of all that still waits come. */
  finishHeld(): Promise<ScratchOutcome[]>
  close(): void
}

interface HeldEvent {
  due: SourceEvent
  until: Date
  facts: readonly string[]
}

interface ScratchDeps {
  db: Queryable
  mappings: ContractMappings
  holdSeconds: number
  /** Objects kept in memory at once; the others lie in a file. */
  maxObjects?: number
}

/**
 * A client's world as it was at `since`, as far as that can be told from what is known today, in which source events are
 * normalised once more. Nothing is written. Time is what the events' receipts say, so that holds end as they did.
 */
export function createScratchWorld(
  { db, mappings, holdSeconds, maxObjects = 5000 }: ScratchDeps,
  clientId: string,
  { since, floor, sourceIds }: { since: Date; floor: string; sourceIds: readonly string[] },
): ScratchWorld {
  const world = emptyWorld(clientId)
  const cache: SpillCache = createSpillCache(world, maxObjects)
  const toldKeys = new Set<string>()
  const forgotten: ForgottenObjects = { wholly: new Set(), partly: new Set() }
  let held: HeldEvent[] = []

  const objectKeysOf = (ids: Iterable<string>) =>
    [...ids].flatMap((id) => sourceIds.map((sourceId) => keyOf(sourceId, id)))

  /** Loads what is wanted and was never wanted before, as it was at the start. */
  const loadAsOfStart = async (wants: Lookups): Promise<boolean> => {
    const fresh = [...wants.objects].filter((id) => !world.loaded.objects.has(id))
    const customers = [...wants.customers].filter((id) => !world.loaded.customers.has(id))
    const any = await loadLookups(db, world, wants)
    if (fresh.length > 0) {
      for (const key of await dropTallies(db, world, fresh, since)) forgotten.wholly.add(key)
      const known = objectKeysOf(fresh).flatMap((key) => world.objects.get(key) ?? [])
      for (const one of await rewindObjects({ db, mappings }, clientId, known, { before: floor })) {
        if (one.removed === 0) continue
        one.known.memory.said = {}
        forgotten[one.left === 0 ? 'wholly' : 'partly'].add(keyOf(one.known.sourceId, one.known.objectId))
      }
    }
    if (customers.length > 0) await forgetLearntUsers(db, world, customers, since)
    // Deadlines that began later are set anew by whoever misses the fact.
    for (const [key, until] of world.holds)
      if (until.getTime() >= since.getTime() + holdSeconds * 1000 && !world.dirty.holds.has(key))
        world.holds.delete(key)
    return any
  }
  const loadWorldFor = async (dues: readonly SourceEvent[]): Promise<Lookups> => {
    const wants = noLookups()
    do {
      for (const due of dues) if (due.body) collectLookups({ world, mappings }, due, wants)
      cache.restoreObjects(objectKeysOf(wants.objects))
    } while (await loadAsOfStart(wants))
    cache.restoreObjects(objectKeysOf(wants.objects))
    return wants
  }

  const normalizeOne = async (due: SourceEvent, now: Date): Promise<ScratchOutcome[]> => {
    const wants = await loadWorldFor([due])
    const unsure = whyUnsure(due, world, wants, forgotten)
    const { outcome, events } = normalizeSourceEvent({ world, mappings, limits: { now, holdSeconds } }, due)
    const { dirty, users: people } = world
    dirty.objects.clear()
    dirty.timers.clear()
    dirty.fetchRequests.clear()
    people.changed.clear()
    people.linked.clear()
    if (outcome.state === 'held') {
      held.push({ due, until: outcome.heldUntil!, facts: outcome.heldFor ?? [] })
      return []
    }
    const fresh = events.filter(({ contract, key }) => !toldKeys.has(`${contract} ${key}`))
    for (const { contract, key } of fresh) toldKeys.add(`${contract} ${key}`)
    return [{ due, outcome, events: fresh, unsure }, ...(await releaseArrived(now))]
  }
  /** Goes on with what waited for facts that have arrived. */
  const releaseArrived = async (now: Date): Promise<ScratchOutcome[]> => {
    const arrived = new Set(world.arrivedFacts)
    world.arrivedFacts.clear()
    const isReleased = ({ due, facts }: HeldEvent) => facts.some((fact) => arrived.has(keyOf(due.sourceId, fact)))
    const going = held.filter(isReleased)
    held = held.filter((one) => !going.includes(one))
    return normalizeInOrder(going, () => now)
  }
  const normalizeInOrder = async (
    going: readonly HeldEvent[],
    now: (one: HeldEvent) => Date,
  ): Promise<ScratchOutcome[]> => {
    const done: ScratchOutcome[] = []
    const byDue = new Map(going.map((one) => [one.due, one]))
    for (const due of sortByOccurrence([...byDue.keys()])) done.push(...(await normalizeOne(due, now(byDue.get(due)!))))
    return done
  }
  const endHoldsUntil = async (until: Date): Promise<ScratchOutcome[]> => {
    const going = held.filter((one) => one.until <= until)
    held = held.filter((one) => one.until > until)
    return normalizeInOrder(going, (one) => one.until)
  }

  return {
    async prepareFor(dues) {
      cache.spillUnused()
      await loadWorldFor(dues)
    },
    async normalizeNext(due) {
      const ended = await endHoldsUntil(due.receivedAt)
      return [...ended, ...(await normalizeOne(due, due.receivedAt))]
    },
    async finishHeld() {
      const done: ScratchOutcome[] = []
      while (held.length > 0) done.push(...(await endHoldsUntil(new Date(8.64e15))))
      return done
    },
    close: cache.close,
  }
}

/** Objects of which something is forgotten: all that was known at the start, or the older part of it. */
interface ForgottenObjects {
  wholly: Set<string>
  partly: Set<string>
}

/** Why what is made of an event may differ from what was made of it then; null: all that it reads is as it was. */
function whyUnsure(
  due: SourceEvent,
  world: World,
  wants: Lookups,
  { wholly: gone, partly: thinned }: ForgottenObjects,
): string | null {
  if (!due.body) return null
  const { objectId, kind, created } = observationOf(due)
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
async function forgetLearntUsers(db: Queryable, world: World, customers: readonly string[], since: Date) {
  const { rows } = await db.query(
    `select l.customer_id, u.created_at >= $3 as made
       from user_customers l join users u on u.client_id = $1 and u.id = l.user_id
      where l.client_id = $1 and l.customer_id = any($2) and not u.registered and u.updated_at >= $3`,
    [world.clientId, customers, since],
  )
  for (const { customer_id, made } of rows) {
    const person = world.users.byCustomer.get(customer_id)
    if (!person) continue
    if (person.clientUserId !== null) world.users.byClientUserId.delete(person.clientUserId)
    if (made) world.users.byCustomer.delete(customer_id)
    else person.clientUserId = null
  }
}
