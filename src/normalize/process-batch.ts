import { setImmediate } from 'node:timers/promises'
import type { Tx } from '../database/db.ts'
import { type BatchDeps, earliestOf, NOTHING_DUE, NOTHING_TO_DO, type ProcessedBatch } from './batch-result.ts'
import { collectLookups } from './collect-lookups.ts'
import { claimBusinessKeys, findTellers, insertEvents } from './emissions.ts'
import { doStep } from './faults.ts'
import { USER_DELETED } from './forgotten.ts'
import { saveFetchRequests } from './missing/fetch-requests.ts'
import { releaseArrived } from './missing/holds.ts'
import type { NewEvent } from './new-events.ts'
import { type NormalizeResult, normalizeSourceEvent } from './normalize-event.ts'
import { LINES_UNTOLD } from './outcomes.ts'
import { saveOverdueTimers } from './overdue-timer.ts'
import { type SourceEvent, type SourceEventOutcome, sortByOccurrence } from './source-event.ts'
import { dropBodies, saveOutcomes } from './source-events.ts'
import { loadLookups } from './world/load.ts'
import { noLookups } from './world/lookups.ts'
import { saveWorld } from './world/save.ts'
import { emptyWorld, type World } from './world/world.ts'

/**
 * Brings the source events that `claim` locks to their outcomes, in its transaction and step by step: the world is loaded, each is
 * normalised, business keys are claimed, events and deliveries are stored, and what was learnt is saved. What stops a step is thrown
 * as its StepFault.
 */
export async function processBatch(
  deps: BatchDeps,
  tx: Tx,
  { clientId, claim }: { clientId: string; claim: (tx: Tx) => Promise<SourceEvent[]> },
): Promise<ProcessedBatch> {
  const sourceEvents = sortByOccurrence(await claim(tx))
  if (sourceEvents.length === 0) return NOTHING_TO_DO
  const world = await doStep('look up', sourceEvents, () => loadWorld(deps, tx, clientId, sourceEvents))
  const { mappings, holdSeconds, hydrateSeconds } = deps
  const limits = { now: deps.now(), holdSeconds, hydrateSeconds }
  const normalized = await doStep('normalize', sourceEvents, () =>
    normalizeEach({ world, mappings, limits }, sourceEvents),
  )
  const processed = await doStep('store events', sourceEvents, () => claimEvents(tx, clientId, normalized))
  const events = processed.flatMap((one) => one.events)
  const { endpointIds, fanOut } = await storeAndFanOut(deps, tx, { clientId, sourceEvents, events })
  const outcomes = processed.map(({ outcome }) => outcome)
  const { hasReleasedHeld, hasFetchRequests } = await doStep('store objects', sourceEvents, () =>
    saveBatch(tx, world, outcomes),
  )
  for (const { id, state, code } of outcomes)
    if (state === 'failed') deps.log.warn({ clientId, sourceEventId: id, code }, 'source_event.failed')
  return {
    result: {
      sourceEventCount: sourceEvents.length,
      endpointIds,
      heldUntil: earliestOf(outcomes.map(({ heldUntil }) => heldUntil)),
      hasReleasedHeld,
      hasFetchRequests,
      nextTimerAt: earliestOf([...world.dirty.timers.values()].map(({ at }) => at)),
    },
    report: { clientId, fanOut, outcomes: processed.map(reportOf), events },
  }
}

/** So long events are normalised without a pause: webhooks and attempts of other clients come in between. */
const BUSY_MS = 10

/** In their order, each in the world as those before have left it. Throws the first fault. */
async function normalizeEach(deps: Parameters<typeof normalizeSourceEvent>[0], sourceEvents: readonly SourceEvent[]) {
  const normalized: (NormalizeResult & { sourceEvent: SourceEvent })[] = []
  let since = performance.now()
  for (const sourceEvent of sourceEvents) {
    const result = normalizeSourceEvent(deps, sourceEvent)
    if (result.fault !== undefined) throw result.fault
    normalized.push({ sourceEvent, ...result })
    if (performance.now() < since + BUSY_MS) continue
    await setImmediate()
    since = performance.now()
  }
  return normalized
}

/** All that the events read of the client. What was read may point further: one statement per kind of fact and step. */
async function loadWorld(
  { mappings, keyRing }: BatchDeps,
  tx: Tx,
  clientId: string,
  sourceEvents: readonly SourceEvent[],
): Promise<World> {
  const world = emptyWorld(clientId)
  const lookups = noLookups()
  do for (const event of sourceEvents) if (event.body) collectLookups({ world, mappings }, event, lookups)
  while (await loadLookups({ db: tx, keyRing }, world, lookups))
  return world
}

/** A source event of the batch, what became of it, and its events. */
type ProcessedEvent = Pick<NormalizeResult, 'outcome' | 'events'> & { sourceEvent: SourceEvent }

/** Keeps the events that are the first with their business key; a source event of which none is left is ignored. */
async function claimEvents(
  tx: Tx,
  clientId: string,
  processed: readonly ProcessedEvent[],
): Promise<readonly ProcessedEvent[]> {
  const claimed = await claimBusinessKeys(
    tx,
    clientId,
    processed.flatMap(({ events }) => events),
  )
  const isRepeated = ({ events }: ProcessedEvent) => events.length > 0 && !events.some((event) => claimed.has(event))
  // One that was told in part before, and is tried once more, stays so: its events are its own.
  const partial = processed.filter((one) => isRepeated(one) && one.outcome.code === LINES_UNTOLD)
  const tellers = await findTellers(
    tx,
    clientId,
    partial.map(({ outcome }) => outcome.id),
  )
  return processed.map((one) => ({
    sourceEvent: one.sourceEvent,
    outcome: isRepeated(one) && !tellers.has(one.outcome.id) ? alreadyEmittedOutcome(one.outcome) : one.outcome,
    events: one.events.filter((event) => claimed.has(event)),
  }))
}

const alreadyEmittedOutcome = (outcome: SourceEventOutcome): SourceEventOutcome => ({
  ...outcome,
  state: 'ignored',
  code: 'already_emitted',
  message: 'Another source event has made this event already.',
})

async function storeAndFanOut(
  deps: BatchDeps,
  tx: Tx,
  { clientId, sourceEvents, events }: { clientId: string; sourceEvents: readonly SourceEvent[]; events: NewEvent[] },
) {
  if (events.length === 0) return { endpointIds: [], fanOut: null }
  await doStep('store events', sourceEvents, () => insertEvents(tx, events))
  const startedAt = deps.now().getTime()
  const endpointIds = await doStep('make deliveries', sourceEvents, () => deps.fanOut(tx, clientId, events))
  return { endpointIds, fanOut: { startedAt, endedAt: deps.now().getTime() } }
}

/** Writes what became of the events, what they have taught, and what they ask of Stripe; lets go what waited for it. */
async function saveBatch(tx: Tx, world: World, outcomes: readonly SourceEventOutcome[]) {
  await saveWorld(tx, world)
  await saveOverdueTimers(tx, world)
  await saveOutcomes(tx, world.clientId, outcomes)
  await dropBodies(
    tx,
    world.clientId,
    outcomes.filter(({ code }) => code === USER_DELETED).map(({ id }) => id),
  )
  const requests = [...world.dirty.fetchRequests.values()]
  const areAnswered = requests.length > 0 && (await saveFetchRequests(tx, world.clientId, requests, outcomes))
  const isReleased = await releaseArrived(
    tx,
    world.clientId,
    [...world.arrivedFacts].filter((key) => world.holds.has(key)),
  )
  return { hasReleasedHeld: isReleased || areAnswered, hasFetchRequests: requests.length > 0 }
}

const reportOf = ({
  sourceEvent: { sourceId, type, receivedAt },
  outcome: { id, state, code, message },
}: Pick<ProcessedEvent, 'sourceEvent' | 'outcome'>) => ({ id, sourceId, type, receivedAt, state, code, message })

/** Fails one event for what stopped it. */
export async function failEvent(
  deps: BatchDeps,
  tx: Tx,
  {
    clientId,
    sourceEvent,
    outcome,
    cause,
  }: { clientId: string; sourceEvent: SourceEvent; outcome: SourceEventOutcome; cause?: unknown },
): Promise<ProcessedBatch> {
  deps.log.error({ clientId, sourceEventId: sourceEvent.id, code: outcome.code, err: cause }, 'source_event.failed')
  await saveOutcomes(tx, clientId, [outcome])
  return {
    result: { ...NOTHING_DUE, sourceEventCount: 1 },
    report: { clientId, fanOut: null, outcomes: [reportOf({ sourceEvent, outcome })], events: [] },
  }
}
