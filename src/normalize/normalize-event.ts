import type { ContractMappings } from '../../mappings/offer.ts'
import { MappingError } from '../language/mapping.ts'
import { emptyMemory } from '../language/memory.ts'
import type { Facts, Trace } from '../language/scope.ts'
import type { Strides } from '../language/strides.ts'
import { faultOutcome } from './faults.ts'
import { areForgotten, forgottenOutcome, usersNamedBy } from './forgotten.ts'
import { type Judgement, judgeNewestAgain, judgeObservation, type MappingVerdict } from './judge.ts'
import { knownObjectOf, learnFromEvent } from './learn.ts'
import { completeEvent, fetchHoldOf } from './missing/completion.ts'
import { holdForFacts } from './missing/holds.ts'
import { objectFetch, shortListsOf } from './missing/stripe-fetches.ts'
import { type Unfetched, unfetchedOf } from './missing/unfetched.ts'
import { emittingOf, type NewEvent, newEventsOf } from './new-events.ts'
import {
  deadlyOutcome,
  failedOutcome,
  heldOutcome,
  ignoredOutcome,
  normalizedOutcome,
  notMappedOutcome,
} from './outcomes.ts'
import type { Hold, SourceEvent, SourceEventOutcome, WaitLimits } from './source-event.ts'
import { type EventObservation, observationOf } from './source-events.ts'
import type { SkippedFetch, StripeFetch } from './stripe-fetch.ts'
import { type Placement, placeObservation } from './world/snapshots.ts'
import { factsOf, type KnownObject, type SourceRealm, type UserQuery, type World } from './world/world.ts'

export interface NormalizeContext {
  world: World
  mappings: ContractMappings
  limits: WaitLimits
  trace?: Trace | undefined
}

/** What became of one source event, and what each mapping said of it. */
export interface NormalizeResult {
  outcome: SourceEventOutcome
  events: NewEvent[]
  verdicts: MappingVerdict[]
  /** What stopped it that no mapping throws: what the world has learnt of the event may be half of it. */
  fault?: unknown
}

/**
 * Normalises one source event in a world where all that it looks up is loaded; the world moves on with it, and nobody else may read it
 * between strides. Never throws for what the event holds.
 */
export function* normalizeSourceEvent(context: NormalizeContext, sourceEvent: SourceEvent): Strides<NormalizeResult> {
  try {
    return yield* normalizeReadableEvent(context, sourceEvent)
  } catch (fault) {
    if (fault instanceof MappingError) return withoutEvents(failedOutcome(sourceEvent, fault.code, fault.message))
    return { ...withoutEvents(faultOutcome(sourceEvent, fault, 'normalize')), fault }
  }
}

function* normalizeReadableEvent(context: NormalizeContext, sourceEvent: SourceEvent): Strides<NormalizeResult> {
  if (sourceEvent.body === null)
    return withoutEvents(
      failedOutcome(sourceEvent, 'body_missing', 'The raw body is no longer kept: it cannot be normalised.'),
    )
  if (sourceEvent.isDeadly) return withoutEvents(deadlyOutcome(sourceEvent))
  if (sourceEvent.malformed !== undefined)
    return withoutEvents(failedOutcome(sourceEvent, 'unreadable_value', sourceEvent.malformed))
  if (context.world.lookupFaults.has(sourceEvent)) throw context.world.lookupFaults.get(sourceEvent)
  const completed = completeEvent(context, sourceEvent)
  if ('outcome' in completed) return withoutEvents(completed.outcome)
  const { complete, skipped } = completed
  if (typeof complete.body.data?.object !== 'object' || complete.body.data.object === null)
    return withoutEvents(
      ignoredOutcome(sourceEvent, 'no_object', 'The event carries no object: no event can be made of it.'),
    )
  return yield* normalizeSnapshotEvent(context, complete, skipped)
}

const withoutEvents = (outcome: SourceEventOutcome, verdicts: MappingVerdict[] = []): NormalizeResult => ({
  outcome,
  events: [],
  verdicts,
})

function* normalizeSnapshotEvent(
  context: NormalizeContext,
  event: SourceEvent,
  skipped: readonly SkippedFetch[],
): Strides<NormalizeResult> {
  const { world, limits } = context
  const observation = observationOf(event)
  const known = knownObjectOf(world, event, observation)
  if (areForgotten(world, event, usersNamedBy(world, event, observation))) return withoutEvents(forgottenOutcome(event))
  if (observation.isTimer && !known)
    return withoutEvents(ignoredOutcome(event, 'not_overdue', 'The invoice is not known any more.'))

  const placement = placeAmongKnown(observation, known)
  const { snapshot, isNewest } = placement
  const object = isNewest ? snapshot.object : observation.object
  const reads = trackReads(world, event)
  yield
  const { own, again } = yield* judgeEvent(context, { event, observation, known, placement, facts: reads.facts })
  if (areForgotten(world, event, reads.users)) return withoutEvents(forgottenOutcome(event))
  const verdicts = [...own.verdicts, ...again.verdicts]
  const emitting = emittingOf(verdicts)

  const unfetched = unfetchedOf(world, event, emitting.length > 0 ? [...reads.unknownObjects.values()] : [], limits)
  const hold = holdOf(context, event, { verdicts, unfetched, checkouts: reads.unregisteredCheckouts })
  if (hold) return withoutEvents(heldOutcome(event, hold), verdicts)

  const events = yield* newEventsOf(world, event, emitting)
  yield
  // From here on the event counts.
  learnFromEvent(world, {
    ...{ event, observation, object, snapshot, memory: again.memory, facts: reads.facts },
    users: events.length > 0 ? reads.users : [],
    verdicts: [...emitting, ...own.verdicts],
    now: limits.now,
  })
  if (events.length === 0) return withoutEvents(silentOutcome(event, own.verdicts), verdicts)
  const untold = { skipped: [...skipped, ...unfetched.skipped], shortLists: shortListsOf(event) }
  return { outcome: normalizedOutcome(event, untold), events, verdicts }
}

/** Our own timer shows no state: it looks at the object as it is known. */
const placeAmongKnown = (observation: EventObservation, known: KnownObject | undefined): Placement =>
  observation.isTimer && known
    ? { snapshot: known.snapshot, isNewest: true, overturnsNewest: false }
    : placeObservation(known?.snapshot ?? null, observation)

/** The facts for the evaluation of one event, and what it read of them that matters afterwards. */
function trackReads(world: World, at: SourceRealm) {
  const users: UserQuery[] = []
  const unregisteredCheckouts = new Set<string>()
  const unknownObjects = new Map<string, StripeFetch>()
  const facts = factsOf(world, at, {
    onUserRead({ customer, clientUserId }) {
      const isRepeated = users.some((one) => one.customer === customer && one.clientUserId === clientUserId)
      if (!isRepeated) users.push({ customer, clientUserId })
    },
    onUnknownObject(kind, id) {
      if (kind === 'checkout') unregisteredCheckouts.add(id)
      const fetch = objectFetch(kind, id)
      if (fetch) unknownObjects.set(fetch.key, fetch)
    },
  })
  return { facts, users, unregisteredCheckouts, unknownObjects }
}

interface PlacedEvent {
  event: SourceEvent
  observation: EventObservation
  known: KnownObject | undefined
  placement: Placement
  facts: Facts
}

/** What the mappings say of the event, and then once more of the object's newest state where the event changes how that looks. */
function* judgeEvent(
  { mappings, trace }: NormalizeContext,
  { event, observation, known, placement, facts }: PlacedEvent,
): Strides<{ own: Judgement; again: Judgement }> {
  const { snapshot, isNewest, overturnsNewest } = placement
  const own = yield* judgeObservation(mappings, observation, {
    snapshot,
    object: isNewest ? snapshot.object : observation.object,
    stored: known?.snapshot.object ?? null,
    isLate: !isNewest,
    memory: known?.memory ?? emptyMemory(),
    facts,
    at: event.createdAt.toISOString(),
    trace,
  })
  // What a late observation alone could show may be what the newest one waited for.
  const hasSeen = !isNewest && own.verdicts.some(({ verdict }) => verdict.kind === 'ignore' && verdict.memory !== null)
  const again =
    known && (overturnsNewest || hasSeen)
      ? yield* judgeNewestAgain(
          mappings,
          known,
          { snapshot, memory: own.memory },
          { facts, trace, eventId: event.eventId },
        )
      : { verdicts: [], memory: own.memory }
  return { own, again }
}

/** Until when the event waits, and for what: for the facts that its events miss, and for what Stripe is asked. */
function holdOf(
  { world, limits }: NormalizeContext,
  event: SourceEvent,
  {
    verdicts,
    unfetched,
    checkouts,
  }: { verdicts: readonly MappingVerdict[]; unfetched: Unfetched; checkouts: ReadonlySet<string> },
): Hold | null {
  const missing = verdicts.flatMap(({ verdict }) => verdict.missing)
  const factHold = holdForFacts(world, event, missing, limits)
  // A checkout that is registered meanwhile may tell whose it is: it ends the wait as well.
  const holds = [factHold && { ...factHold, facts: [...factHold.facts, ...checkouts] }, fetchHoldOf(unfetched)].filter(
    (hold) => hold !== null,
  )
  if (holds.length === 0) return null
  return {
    until: new Date(Math.max(...holds.map(({ until }) => until.getTime()))),
    facts: holds.flatMap(({ facts }) => facts),
  }
}

/** Why no event is made: what the first mapping says that ignores it. */
function silentOutcome(event: SourceEvent, verdicts: readonly MappingVerdict[]): SourceEventOutcome {
  const ignoring = verdicts.map(({ verdict }) => verdict).find((verdict) => verdict.kind === 'ignore')
  return ignoring ? ignoredOutcome(event, ignoring.code, ignoring.message) : notMappedOutcome(event)
}
