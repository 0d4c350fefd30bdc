import type { ContractMappings } from '../../../mappings/offer.ts'
import type { Queryable } from '../../database/db.ts'
import { splitRealm } from '../../domain/realm.ts'
import { collectLookups } from '../collect-lookups.ts'
import type { NewEvent } from '../new-events.ts'
import { normalizeSourceEvent } from '../normalize-event.ts'
import { createStrideRunner, type StrideRunner } from '../pauses.ts'
import { type SourceEvent, type SourceEventOutcome, sortByOccurrence } from '../source-event.ts'
import { observationOf } from '../source-events.ts'
import { loadLookups } from '../world/load.ts'
import { withBareIds } from '../world/load-objects.ts'
import { type Lookups, noLookups } from '../world/lookups.ts'
import { rewindObjects } from '../world/rewind.ts'
import { emptyWorld, keyIn, objectKeyOf, splitKey, type World } from '../world/world.ts'
import { createSpillCache, type SpillCache } from './spill-cache.ts'

/** What a source event came to in the scratch world. */
export interface ScratchOutcome {
  sourceEvent: SourceEvent
  outcome: SourceEventOutcome
  /** Without what another source event in the scratch world had emitted before. */
  events: NewEvent[]
  /** Why this may differ from the stored outcome although no mapping has changed; null: no such reason. */
  unsure: string | null
}

export interface ScratchWorld {
  /** Loads at once what these source events read. */
  prepareFor(sourceEvents: readonly SourceEvent[]): Promise<void>
  /** The next source event in the order of receipt; answers what it settles, itself or others that had waited. */
  normalizeNext(sourceEvent: SourceEvent): Promise<ScratchOutcome[]>
  /** Ends all holds that are left. */
  finishHeld(): Promise<ScratchOutcome[]>
  close(): void
}

/** A source event that waits for facts. */
interface HeldEvent {
  sourceEvent: SourceEvent
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

/** Where a scratch world begins: `floor` is smaller than the ids of all source events from `since` on. */
interface ScratchStart {
  since: Date
  floor: string
}

/**
 * A client's world as it was at `since`, as far as that follows from what is known today, in which source events are
 * normalised once more. Nothing is written. The clock is the receipts of the source events, so that holds end as they did.
 */
export function createScratchWorld(deps: ScratchDeps, clientId: string, start: ScratchStart): ScratchWorld {
  const { mappings, holdSeconds, maxObjects = 5000 } = deps
  const world = emptyWorld(clientId)
  const cache = createSpillCache(world, maxObjects)
  const forgotten: ForgottenObjects = { wholly: new Set(), partly: new Set() }
  const runStrides = createStrideRunner()
  const loadWorldFor = createPastLoader(deps, start, { world, cache, forgotten, runStrides })
  const emittedKeys = new Set<string>()
  let held: HeldEvent[] = []

  const normalizeOne = async (sourceEvent: SourceEvent, now: Date): Promise<ScratchOutcome[]> => {
    const lookups = await loadWorldFor([sourceEvent])
    const unsure = whyUnsure(sourceEvent, world, lookups, forgotten)
    const context = { world, mappings, limits: { now, holdSeconds } }
    const { outcome, events } = await runStrides(normalizeSourceEvent(context, sourceEvent))
    discardChanges(world)
    if (outcome.state === 'held' && outcome.heldUntil) {
      held.push({ sourceEvent, until: outcome.heldUntil, facts: outcome.heldFor ?? [] })
      return []
    }
    const added = events.filter(({ contract, key }) => !emittedKeys.has(`${contract} ${key}`))
    for (const { contract, key } of added) emittedKeys.add(`${contract} ${key}`)
    return [{ sourceEvent, outcome, events: added, unsure }, ...(await releaseArrived(now))]
  }
  /** Goes on with what waited for facts that have arrived. */
  const releaseArrived = async (now: Date): Promise<ScratchOutcome[]> => {
    const arrived = new Set(world.arrivedFacts)
    world.arrivedFacts.clear()
    const released = held.filter(({ sourceEvent, facts }) =>
      facts.some((fact) => arrived.has(keyIn(sourceEvent, fact))),
    )
    held = held.filter((one) => !released.includes(one))
    return normalizeInOrder(released, () => now)
  }
  const normalizeInOrder = async (released: readonly HeldEvent[], clock: (one: HeldEvent) => Date) => {
    const outcomes: ScratchOutcome[] = []
    const clocks = new Map(released.map((one) => [one.sourceEvent, clock(one)]))
    for (const sourceEvent of sortByOccurrence([...clocks.keys()]))
      outcomes.push(...(await normalizeOne(sourceEvent, clocks.get(sourceEvent) ?? sourceEvent.receivedAt)))
    return outcomes
  }
  const endHoldsUntil = async (until: Date): Promise<ScratchOutcome[]> => {
    const ended = held.filter((one) => one.until <= until)
    held = held.filter((one) => one.until > until)
    return normalizeInOrder(ended, (one) => one.until)
  }

  return {
    async prepareFor(sourceEvents) {
      cache.spillUnused()
      await loadWorldFor(sourceEvents)
    },
    async normalizeNext(sourceEvent) {
      const ended = await endHoldsUntil(sourceEvent.receivedAt)
      return [...ended, ...(await normalizeOne(sourceEvent, sourceEvent.receivedAt))]
    },
    async finishHeld() {
      const outcomes: ScratchOutcome[] = []
      while (held.length > 0) outcomes.push(...(await endHoldsUntil(LAST_DATE)))
      return outcomes
    },
    close: cache.close,
  }
}

const LAST_DATE = new Date(8.64e15)

/** What a batch would save: nothing of a scratch world is saved. */
function discardChanges({ dirty, users }: World): void {
  dirty.objects.clear()
  dirty.timers.clear()
  dirty.fetchRequests.clear()
  users.changed.clear()
  users.linked.clear()
}

/** Loads what source events read as it was at the start, and answers what that is. */
function createPastLoader(
  { db, mappings, holdSeconds }: ScratchDeps,
  { since, floor }: ScratchStart,
  {
    world,
    cache,
    forgotten,
    runStrides,
  }: { world: World; cache: SpillCache; forgotten: ForgottenObjects; runStrides: StrideRunner },
): (sourceEvents: readonly SourceEvent[]) => Promise<Lookups> {
  const rewindToStart = async (keys: readonly string[]) => {
    for (const key of await dropTallies(db, world, keys, since)) forgotten.wholly.add(key)
    const known = keys.flatMap((key) => world.objects.get(key) ?? [])
    for (const one of await rewindObjects({ db, mappings }, world.clientId, known, { before: floor })) {
      if (one.removed === 0) continue
      one.known.memory.said = {}
      forgotten[one.left === 0 ? 'wholly' : 'partly'].add(objectKeyOf(one.known))
    }
  }
  /** Loads what was not loaded before; answers whether there was anything. */
  const loadAsOfStart = async (lookups: Lookups): Promise<boolean> => {
    const objects = [...lookups.objects].filter((id) => !world.loaded.objects.has(id))
    const customers = [...lookups.customers].filter((id) => !world.loaded.customers.has(id))
    const hasLoaded = await loadLookups({ db }, world, lookups)
    if (objects.length > 0) await rewindToStart(objects)
    if (customers.length > 0) await forgetLearntUsers(db, world, customers, since)
    // Deadlines that began after the start are set anew by the source event that misses the fact.
    for (const [key, until] of world.holds)
      if (until.getTime() >= since.getTime() + holdSeconds * 1000 && !world.dirty.holds.has(key))
        world.holds.delete(key)
    return hasLoaded
  }
  return async (sourceEvents) => {
    const lookups = noLookups()
    do {
      for (const one of sourceEvents) if (one.body) await runStrides(collectLookups({ world, mappings }, one, lookups))
      cache.restoreObjects([...lookups.objects])
    } while (await loadAsOfStart(lookups))
    cache.restoreObjects([...lookups.objects])
    return lookups
  }
}

/** Objects of which something is forgotten: all that was known at the start, or the older part of it. */
interface ForgottenObjects {
  wholly: Set<string>
  partly: Set<string>
}

/** Why the outcome may differ from the one that was stored then; null: all that the source event reads is as it was. */
function whyUnsure(
  sourceEvent: SourceEvent,
  world: World,
  lookups: Lookups,
  forgotten: ForgottenObjects,
): string | null {
  if (!sourceEvent.body) return null
  const { objectId, kind, created } = observationOf(sourceEvent)
  const ownKey = keyIn(sourceEvent, objectId ?? '')
  // From its birth on everything is known.
  if (sourceEvent.type.endsWith('.created')) forgotten.wholly.delete(ownKey)
  const newest = world.objects.get(ownKey)?.snapshot.tied[0]
  const isLate =
    forgotten.partly.has(ownKey) &&
    newest !== undefined &&
    newest.created >= created &&
    newest.eventId !== sourceEvent.eventId
  const missing = [...lookups.objects].find((key) => forgotten.wholly.has(key)) ?? (isLate ? ownKey : undefined)
  if (missing === undefined) return null
  const { id } = splitRealm(splitKey(missing).id)
  const what = id === objectId ? `the ${kind} ${id}` : id.replace(/^tally:/, 'the refunds of ')
  return `What was known of ${what} at the start of the window is not kept: look further back to be sure.`
}

/** What was counted of a payment's refunds carries no time of its own: where it has changed since, it is counted from the start. */
async function dropTallies(db: Queryable, world: World, asked: readonly string[], since: Date): Promise<string[]> {
  const ids = asked.map((key) => splitKey(key).id)
  const { rows } = await db.query(
    `select source_id, object_id from objects
      where client_id = $1 and object_id = any($2) and kind = 'tally' and updated_at >= $3`,
    [world.clientId, withBareIds(ids), since],
  )
  const keys = rows.flatMap(({ source_id, object_id }) =>
    asked.filter((key) => {
      const { sourceId, id } = splitKey(key)
      return sourceId === source_id && (id === object_id || splitRealm(id).id === object_id)
    }),
  )
  for (const key of keys) world.objects.delete(key)
  return keys
}

/** Forgets users that events have created or named since the start; those that the API registered stay known. */
async function forgetLearntUsers(db: Queryable, world: World, customers: readonly string[], since: Date) {
  const { rows } = await db.query(
    `select l.customer_id, u.created_at >= $3 as made
       from user_customers l join users u on u.client_id = $1 and u.id = l.user_id
      where l.client_id = $1 and l.customer_id = any($2) and not u.registered and u.updated_at >= $3`,
    [world.clientId, withBareIds(customers), since],
  )
  const linked = rows.flatMap(({ customer_id, made }) =>
    customers.filter((key) => key === customer_id || splitRealm(key).id === customer_id).map((key) => ({ key, made })),
  )
  for (const { key, made } of linked) {
    const user = world.users.byCustomer.get(key)
    if (!user) continue
    if (user.clientUserId !== null) world.users.byClientUserId.delete(user.clientUserId)
    if (made) world.users.byCustomer.delete(key)
    else user.clientUserId = null
  }
}
