import { setImmediate } from 'node:timers/promises'
import type { ContractMappings } from '../../mappings/offer.ts'
import { type Db, inTransaction, type Tx } from '../database/db.ts'
import { splitUntilAlone } from '../database/split-until-alone.ts'
import { splitRealm } from '../domain/realm.ts'
import type { Log } from '../log.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import type { NormalizedBatch, Watch } from '../watch.ts'
import { createLoneGate, type LoneGate } from '../workers/lone-gate.ts'
import { collectLookups } from './collect-lookups.ts'
import { claimBusinessKeys, insertEvents } from './emissions.ts'
import { type BatchStep, faultOutcome, isFaultOfBatch } from './faults.ts'
import { USER_DELETED } from './forgotten.ts'
import { forgetLoneAttempts, tryEachAlone } from './lone-attempts.ts'
import { saveFetchRequests } from './missing/fetch-requests.ts'
import type { NewEvent } from './new-events.ts'
import { type NormalizeResult, normalizeSourceEvent } from './normalize-event.ts'
import { deadlyOutcome } from './outcomes.ts'
import { saveOverdueTimers } from './overdue-timer.ts'
import type { SourceEvent, SourceEventOutcome } from './source-event.ts'
import { claimDueEvent, claimDueEvents, dropBodies, saveOutcomes } from './source-events.ts'
import { loadLookups } from './world/load.ts'
import { noLookups } from './world/lookups.ts'
import { saveWorld } from './world/save.ts'
import { emptyWorld, splitKey, type World } from './world/world.ts'

export interface BatchDeps {
  db: Db
  log: Log
  now: () => Date
  mappings: ContractMappings
  holdSeconds: number
  /** How long events wait for what is fetched from Stripe; undefined: nothing is fetched. */
  hydrateSeconds?: number
  /** Opens the key of whom the client has deleted; left out, nobody was. */
  keyRing?: Pick<KeyRing, 'decrypt'>
  /** Makes the deliveries of new events in the same transaction; answers the endpoints that have work now. */
  fanOut: (
    tx: Tx,
    clientId: string,
    events: readonly Pick<NewEvent, 'id' | 'contract' | 'type' | 'userId'>[],
  ) => Promise<string[]>
  /** What runs in this process beside this batch; left out: nothing. */
  gate?: LoneGate
  /** Told of each transaction after its commit. */
  watch?: Watch
}

export interface BatchResult {
  /** Source events looked at; fewer than the limit means that no more were due. */
  sourceEventCount: number
  endpointIds: string[]
  /** Earliest deadline of what this batch holds back. */
  heldUntil: Date | null
  /** Held events were released: look again at once. */
  hasReleasedHeld: boolean
  /** Something is to be fetched from Stripe. */
  hasFetchRequests: boolean
  /** When the first of the timers goes off that this batch has set. */
  nextTimerAt: Date | null
}

/** Events per lane in one transaction. */
const LANE_LIMIT = 60

/**
 * Normalises the due events of some lanes of one client in one transaction: states, events, deliveries, snapshots, all or
 * nothing. An event that PostgreSQL or our own code cannot take must not hold up its neighbours: fewer and fewer events of
 * each lane are tried, then fewer lanes, until it stands alone and fails. Whatever repeats for a batch of one is that event's;
 * only what concerns the database or the process is tried again. After the death of a process with some of these lanes, what was
 * in work there is tried one event at a time.
 */
export async function normalizeBatch(
  deps: BatchDeps,
  clientId: string,
  lanes: readonly number[],
): Promise<BatchResult> {
  const { db, gate = createLoneGate() } = deps
  try {
    return await gate.runTogether(() => normalizeTogether(deps, clientId, lanes))
  } catch (error) {
    if (!(error instanceof InterruptedLanes)) throw error
  }
  const results = await tryEachAlone(
    { db, gate },
    { clientId, lanes, perLane: LANE_LIMIT },
    {
      attempt: (id) => normalizeAlone(deps, clientId, id),
      fail: (id) => failAlone(deps, { clientId, id, outcomeOf: deadlyOutcome }),
    },
  )
  // What came meanwhile, and what lies behind the first of each lane: look again at once.
  return { ...mergeResults(results), sourceEventCount: Math.max(1, results.length) }
}

/** A process died with these lanes: what was in work there is tried alone. */
class InterruptedLanes extends Error {}

async function normalizeTogether(deps: BatchDeps, clientId: string, lanes: readonly number[]): Promise<BatchResult> {
  const claimOf = (some: readonly number[], laneLimit: number) => async (tx: Tx) => {
    const { sourceEvents, areInterrupted } = await claimDueEvents(tx, clientId, some, laneLimit)
    if (areInterrupted) throw new InterruptedLanes()
    return sourceEvents
  }
  for (let laneLimit = LANE_LIMIT; laneLimit > 1; laneLimit = Math.ceil(laneLimit / 2))
    try {
      return await commitAndReport(deps, (tx) => processBatch(deps, tx, { clientId, claim: claimOf(lanes, laneLimit) }))
    } catch (error) {
      if (!(error instanceof StepFault)) throw error
    }
  const results = await splitUntilAlone<number, BatchResult>(lanes, {
    work: async (some) => [
      await commitAndReport(deps, (tx) => processBatch(deps, tx, { clientId, claim: claimOf(some, 1) })),
    ],
    isItemsFault: (error) => error instanceof StepFault,
    onAlone: (lane, fault) =>
      commitAndReport(deps, (tx) => failFirstDue(deps, tx, { clientId, lane, fault: fault as StepFault })),
  })
  return mergeResults(results)
}

/** One event to its outcome; whatever of it cannot be done is its own fault. */
async function normalizeAlone(deps: BatchDeps, clientId: string, id: string): Promise<BatchResult> {
  try {
    return await commitAndReport(deps, async (tx) => {
      const processed = await processBatch(deps, tx, { clientId, claim: () => claimDueEvent(tx, clientId, id) })
      await forgetLoneAttempts(tx, clientId, id)
      return processed
    })
  } catch (error) {
    if (!(error instanceof StepFault)) throw error
    const { cause, step } = error
    return failAlone(deps, { clientId, id, cause, outcomeOf: (event) => faultOutcome(event, cause, step) })
  }
}

const failAlone = (
  deps: BatchDeps,
  {
    clientId,
    id,
    outcomeOf,
    cause,
  }: { clientId: string; id: string; outcomeOf: (event: SourceEvent) => SourceEventOutcome; cause?: unknown },
): Promise<BatchResult> =>
  commitAndReport(deps, async (tx) => {
    const [sourceEvent] = await claimDueEvent(tx, clientId, id)
    await forgetLoneAttempts(tx, clientId, id)
    return sourceEvent
      ? failEvent(deps, tx, { clientId, sourceEvent, outcome: outcomeOf(sourceEvent), cause })
      : NOTHING_TO_DO
  })

/** What an event of the batch cannot be done with, and at which step. */
class StepFault extends Error {
  override name = 'StepFault'
  readonly step: BatchStep
  /** The event, where it is the only one of the batch. */
  readonly sourceEventId: string | null
  constructor(step: BatchStep, sourceEvents: readonly SourceEvent[], cause: unknown) {
    super(`could not ${step}`, { cause })
    this.step = step
    this.sourceEventId = sourceEvents.length === 1 ? (sourceEvents[0]?.id ?? null) : null
  }
}

/** Does one step of a batch; what is not the database's own trouble is the fault of an event. */
async function doStep<T>(
  step: BatchStep,
  sourceEvents: readonly SourceEvent[],
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw isFaultOfBatch(error) ? error : new StepFault(step, sourceEvents, error)
  }
}

/** What a transaction came to, and what is reported of it; null: it found nothing to do. */
type ProcessedBatch = { result: BatchResult; report: Omit<NormalizedBatch, 'startedAt' | 'committedAt'> | null }

async function commitAndReport(
  { db, now, watch }: BatchDeps,
  work: (tx: Tx) => Promise<ProcessedBatch>,
): Promise<BatchResult> {
  // By the clock of what is compared with it: when the events were received.
  const startedAt = now().getTime()
  const { result, report } = await inTransaction(db, work)
  if (report) watch?.onBatchNormalized?.({ ...report, startedAt, committedAt: now().getTime() })
  return result
}

const NOTHING_DUE: BatchResult = {
  sourceEventCount: 0,
  endpointIds: [],
  heldUntil: null,
  hasReleasedHeld: false,
  hasFetchRequests: false,
  nextTimerAt: null,
}

const NOTHING_TO_DO: ProcessedBatch = { result: NOTHING_DUE, report: null }

const mergeResults = (results: readonly BatchResult[]): BatchResult => ({
  sourceEventCount: results.reduce((sum, { sourceEventCount }) => sum + sourceEventCount, 0),
  endpointIds: [...new Set(results.flatMap(({ endpointIds }) => endpointIds))],
  heldUntil: earliestOf(results.map(({ heldUntil }) => heldUntil)),
  hasReleasedHeld: results.some(({ hasReleasedHeld }) => hasReleasedHeld),
  hasFetchRequests: results.some(({ hasFetchRequests }) => hasFetchRequests),
  nextTimerAt: earliestOf(results.map(({ nextTimerAt }) => nextTimerAt)),
})

const earliestOf = (times: readonly (Date | null)[]) =>
  times.reduce((first, time) => (time && (!first || time < first) ? time : first), null)

async function processBatch(
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
  return processed.map(({ sourceEvent, outcome, events }) => {
    const first = events.filter((event) => claimed.has(event))
    const isRepeated = events.length > 0 && first.length === 0
    return { sourceEvent, outcome: isRepeated ? alreadyEmittedOutcome(outcome) : outcome, events: first }
  })
}

/** One that was told in part stays so: what is missing was told by none. */
const alreadyEmittedOutcome = (outcome: SourceEventOutcome): SourceEventOutcome =>
  outcome.code !== null
    ? outcome
    : {
        ...outcome,
        state: 'ignored',
        code: 'already_emitted',
        message: 'Another source event has made this event already.',
      }

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
  const isReleased = await releaseHeld(
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

// Stripe promises no order; what lies in one batch is at least sent in the order it happened. A deleted customer comes
// before the subscriptions that ended with it, so that their end is not taken for a cancellation.
export const sortByOccurrence = (events: SourceEvent[]): SourceEvent[] => {
  const rankOf = ({ type }: SourceEvent) =>
    type === 'customer.deleted' ? -1 : type.endsWith('.created') ? 0 : type.endsWith('.deleted') ? 2 : 1
  return events.sort(
    (a, b) => a.createdAt.getTime() - b.createdAt.getTime() || rankOf(a) - rankOf(b) || (a.id < b.id ? -1 : 1),
  )
}

/** Lets held events go on whose missing fact has arrived; keys are those of `keyOf`. */
async function releaseHeld(tx: Tx, clientId: string, keys: readonly string[]): Promise<boolean> {
  if (keys.length === 0) return false
  const facts = keys.map((key) => ({ ...splitKey(key), ...splitRealm(splitKey(key).id) }))
  const { rowCount } = await tx.query(
    `update source_events e set due_at = now()
       from unnest($2::uuid[], $3::text[], $4::bool[], $5::text[]) f(source_id, account, livemode, fact)
      where e.client_id = $1 and e.state = 'held' and e.source_id = f.source_id and e.account = f.account
        and e.livemode = f.livemode and f.fact = any(e.held_for) and e.due_at > now()`,
    [
      clientId,
      facts.map(({ sourceId }) => sourceId),
      facts.map(({ account }) => account),
      facts.map(({ livemode }) => livemode),
      facts.map(({ id }) => id),
    ],
  )
  return (rowCount ?? 0) > 0
}

/** The lane's first due event could not be written, and trying again would not help: it fails with the reason, and can be normalised again. */
async function failFirstDue(
  deps: BatchDeps,
  tx: Tx,
  { clientId, lane, fault }: { clientId: string; lane: number; fault: StepFault },
): Promise<ProcessedBatch> {
  const { sourceEvents } = await claimDueEvents(tx, clientId, [lane], 1)
  const [sourceEvent] = sourceEvents
  if (!sourceEvent) return NOTHING_TO_DO
  // Another one has become due before it: that one is looked at first.
  if (sourceEvent.id !== fault.sourceEventId) return { result: { ...NOTHING_DUE, sourceEventCount: 1 }, report: null }
  return failEvent(deps, tx, {
    ...{ clientId, sourceEvent, outcome: faultOutcome(sourceEvent, fault.cause, fault.step) },
    cause: fault.cause,
  })
}

async function failEvent(
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
