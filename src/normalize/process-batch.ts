import type { Tx } from '../database/db.ts'
import type { CreatedDelivery } from '../domain/created-delivery.ts'
import {
  type BatchDeps,
  type BatchResult,
  earliestOf,
  NOTHING_DUE,
  NOTHING_TO_DO,
  type ProcessedBatch,
} from './batch-result.ts'
import type { ClaimedEvents } from './claim-events.ts'
import { claimBusinessKeys, findTellers, insertEvents } from './emissions.ts'
import { type BatchStep, doStep } from './faults.ts'
import { USER_DELETED } from './forgotten.ts'
import { type ClientBatch, lookUpAll } from './look-up.ts'
import { saveFetchRequests } from './missing/fetch-requests.ts'
import { releaseArrived } from './missing/holds.ts'
import type { NewEvent } from './new-events.ts'
import { type NormalizeResult, normalizeSourceEvent } from './normalize-event.ts'
import { LINES_UNTOLD } from './outcomes.ts'
import { saveOverdueTimers } from './overdue-timer.ts'
import { createStrideRunner } from './pauses.ts'
import { type SourceEvent, type SourceEventOutcome, sortByOccurrence } from './source-event.ts'
import { dropBodies, saveOutcomes } from './source-events.ts'
import { saveWorlds } from './world/save.ts'
import { emptyWorld, type World } from './world/world.ts'

/** A source event of the batch, what became of it, and its events. */
interface ProcessedEvent extends Pick<NormalizeResult, 'outcome' | 'events'> {
  clientId: string
  sourceEvent: SourceEvent
}

/**
 * Brings the source events that `claim` locks to their outcomes, in its transaction and step by step: worlds are loaded, each event is
 * normalised in the world of its client, business keys are claimed, events and deliveries are stored, and what was learnt is saved. A
 * step is as many statements for many clients as for one. What stops it is thrown as its StepFault.
 */
export async function processBatch(
  deps: BatchDeps,
  tx: Tx,
  claim: (tx: Tx) => Promise<Pick<ClaimedEvents, 'ofClients' | 'leftOver'>>,
): Promise<ProcessedBatch> {
  const { ofClients, leftOver } = await claim(tx)
  const left = [...leftOver].map((clientId) => [clientId, { ...NOTHING_DUE, sourceEventCount: 1 }] as const)
  if (ofClients.size === 0) return { ...NOTHING_TO_DO, results: new Map(left) }
  const parts = [...ofClients].map(([clientId, own]): ClientBatch => {
    return { world: emptyWorld(clientId), sourceEvents: sortByOccurrence(own) }
  })
  const sourceEvents = parts.flatMap((part) => part.sourceEvents)
  const step = <T>(name: BatchStep, work: () => Promise<T>) => doStep(name, sourceEvents, work)
  await step('look up', () => lookUpAll({ ...deps, db: tx }, parts))
  const normalized = await step('normalize', () => normalizeAll(deps, parts))
  const processed = await step('store events', () => claimEvents(tx, normalized))
  const events = processed.flatMap((one) => one.events)
  const { created, fanOut } = await storeAndFanOut(deps, tx, { step, events })
  const saved = await step('store objects', () => saveBatch(tx, parts, processed))
  for (const { clientId, outcome } of processed)
    if (outcome.state === 'failed')
      deps.log.warn({ clientId, sourceEventId: outcome.id, code: outcome.code }, 'source_event.failed')
  const ownOf = Map.groupBy(processed, ({ clientId }) => clientId)
  const results = parts.map(({ world }) => {
    const outcomes = (ownOf.get(world.clientId) ?? []).map(({ outcome }) => outcome)
    return [world.clientId, resultOf({ world, outcomes, created: created.get(world.clientId) ?? [], saved })] as const
  })
  return {
    results: new Map([...left, ...results]),
    report: { fanOut, outcomes: processed.map(reportOf), events },
  }
}

/** What a client's part of the batch came to. */
function resultOf({
  world: { clientId, dirty },
  outcomes,
  created,
  saved,
}: {
  world: World
  outcomes: readonly SourceEventOutcome[]
  created: readonly CreatedDelivery[]
  saved: { released: ReadonlySet<string>; answered: ReadonlySet<string> }
}): BatchResult {
  return {
    sourceEventCount: outcomes.length,
    endpointIds: [...new Set(created.map(({ endpointId }) => endpointId))],
    created,
    heldUntil: earliestOf(outcomes.map(({ heldUntil }) => heldUntil)),
    hasReleasedHeld: saved.released.has(clientId) || saved.answered.has(clientId),
    hasFetchRequests: dirty.fetchRequests.size > 0,
    nextTimerAt: earliestOf([...dirty.timers.values()].map(({ at }) => at)),
  }
}

/** Each client's events in their order, each in the world as those before have left it. Throws the first fault. */
async function normalizeAll(
  { mappings, holdSeconds, hydrateSeconds, now }: BatchDeps,
  parts: readonly ClientBatch[],
): Promise<ProcessedEvent[]> {
  const limits = { now: now(), holdSeconds, hydrateSeconds }
  const normalized: ProcessedEvent[] = []
  const runStrides = createStrideRunner()
  for (const { world, sourceEvents } of parts)
    for (const sourceEvent of sourceEvents) {
      const normalizing = normalizeSourceEvent({ world, mappings, limits }, sourceEvent)
      const { outcome, events, fault } = await runStrides(normalizing)
      if (fault !== undefined) throw fault
      normalized.push({ clientId: world.clientId, sourceEvent, outcome, events })
    }
  return normalized
}

/** Keeps the events that are the first with their business key; a source event of which none is left is ignored. */
async function claimEvents(tx: Tx, processed: readonly ProcessedEvent[]): Promise<readonly ProcessedEvent[]> {
  const claimed = await claimBusinessKeys(
    tx,
    processed.flatMap(({ events }) => events),
  )
  const isRepeated = ({ events }: ProcessedEvent) => events.length > 0 && !events.some((event) => claimed.has(event))
  // One that was told in part before, and is tried once more, stays so: its events are its own.
  const partial = processed.filter((one) => isRepeated(one) && one.outcome.code === LINES_UNTOLD)
  const tellers = await findTellers(
    tx,
    partial.map(({ clientId, outcome }) => ({ clientId, id: outcome.id })),
  )
  return processed.map((one) => ({
    ...one,
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
  { step, events }: { step: <T>(name: BatchStep, work: () => Promise<T>) => Promise<T>; events: NewEvent[] },
) {
  if (events.length === 0) return { created: new Map<string, readonly CreatedDelivery[]>(), fanOut: null }
  await step('store events', () => insertEvents(tx, events))
  const startedAt = deps.now().getTime()
  const created = await step('make deliveries', () => deps.fanOut(tx, events))
  return { created, fanOut: { startedAt, endedAt: deps.now().getTime() } }
}

/** Writes what became of the events, what they have taught, and what they ask of Stripe; lets go what waited for it. */
async function saveBatch(tx: Tx, parts: readonly ClientBatch[], processed: readonly ProcessedEvent[]) {
  const worlds = parts.map(({ world }) => world)
  const outcomes = processed.map(({ clientId, outcome }) => ({ ...outcome, clientId }))
  await saveWorlds(tx, worlds)
  await saveOverdueTimers(tx, worlds)
  await saveOutcomes(tx, outcomes)
  await dropBodies(
    tx,
    outcomes.filter(({ code }) => code === USER_DELETED),
  )
  const requests = worlds.flatMap(({ clientId, dirty }) =>
    [...dirty.fetchRequests.values()].map((request) => ({ ...request, clientId })),
  )
  const answered = await saveFetchRequests(tx, requests, outcomes)
  const arrived = worlds.flatMap(({ clientId, arrivedFacts, holds }) =>
    [...arrivedFacts].filter((key) => holds.has(key)).map((key) => ({ clientId, key })),
  )
  return { answered, released: await releaseArrived(tx, arrived) }
}

const reportOf = ({
  clientId,
  sourceEvent: { sourceId, type, receivedAt },
  outcome: { id, state, code, message },
}: Pick<ProcessedEvent, 'clientId' | 'sourceEvent' | 'outcome'>) => ({
  ...{ clientId, id, sourceId, type, receivedAt, state, code, message },
})

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
  await saveOutcomes(tx, [{ ...outcome, clientId }])
  return {
    results: new Map([[clientId, { ...NOTHING_DUE, sourceEventCount: 1 }]]),
    report: { fanOut: null, outcomes: [reportOf({ clientId, sourceEvent, outcome })], events: [] },
  }
}
