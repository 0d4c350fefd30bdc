import { type Db, inTransaction, type Tx } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { NormalizedBatch, Watch } from '../watch.ts'
import { claimBusinessKeys, insertEvents } from './emissions.ts'
import { saveFetchRequests } from './missing/fetch-requests.ts'
import { failedOutcome } from './outcomes.ts'
import { saveOverdueTimers } from './overdue-timer.ts'
import type { SourceEvent, SourceEventOutcome } from './source-event.ts'
import { collectLookups, type NewEvent, normalizeSourceEvent } from './normalize-event.ts'
import { claimDueEvents, saveOutcomes } from './source-events.ts'
import { loadLookups } from './world/load.ts'
import { noLookups } from './world/lookups.ts'
import { saveWorld } from './world/save.ts'
import { emptyWorld } from './world/world.ts'

export interface BatchDeps {
  db: Db
  log: Log
  now: () => Date
  holdSeconds: number
  /** How long events wait for what is fetched from Stripe; undefined: nothing is fetched. */
  hydrateSeconds?: number
  /** Makes the deliveries of new events in the same transaction; answers the endpoints that have work now. */
  fanOut: (
    tx: Tx,
    clientId: string,
    events: readonly Pick<NewEvent, 'id' | 'contract' | 'type' | 'userId'>[],
  ) => Promise<string[]>
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

/** Normalises the due events of some lanes of one client in one transaction: states, events, deliveries, snapshots, all or nothing. */
export async function normalizeBatch(
  deps: BatchDeps,
  clientId: string,
  lanes: readonly number[],
  limit = LANE_LIMIT,
): Promise<BatchResult> {
  try {
    return await commitAndReport(deps, (tx) => processBatch(deps, tx, clientId, lanes, limit))
  } catch (error) {
    // One event that PostgreSQL or our own code cannot take must not hold up its neighbours: halves until it stands alone.
    if (!isFaultOfOneEvent(error)) throw error
    if (limit > 1) return normalizeBatch(deps, clientId, lanes, Math.ceil(limit / 2))
    if (lanes.length === 1) return commitAndReport(deps, (tx) => failFirstDue(deps, tx, clientId, lanes, error))
    const half = lanes.length >> 1
    const first = await normalizeBatch(deps, clientId, lanes.slice(0, half), 1)
    return mergeResults([first, await normalizeBatch(deps, clientId, lanes.slice(half), 1)])
  }
}

/** What a transaction came to, and what there is to tell of it; null: it found nothing to do. */
type ProcessedBatch = { result: BatchResult; report: Omit<NormalizedBatch, 'startedAt' | 'committedAt'> | null }

async function commitAndReport(
  { db, watch }: BatchDeps,
  work: (tx: Tx) => Promise<ProcessedBatch>,
): Promise<BatchResult> {
  const startedAt = Date.now()
  const { result, report: news } = await inTransaction(db, work)
  if (news) watch?.onBatchNormalized?.({ ...news, startedAt, committedAt: Date.now() })
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

const mergeResults = (results: BatchResult[]): BatchResult => ({
  sourceEventCount: results.reduce((sum, { sourceEventCount: count }) => sum + count, 0),
  endpointIds: [...new Set(results.flatMap(({ endpointIds }) => endpointIds))],
  heldUntil: earliestOf(results.map(({ heldUntil }) => heldUntil)),
  hasReleasedHeld: results.some(({ hasReleasedHeld: released }) => released),
  hasFetchRequests: results.some(({ hasFetchRequests: asked }) => asked),
  nextTimerAt: earliestOf(results.map(({ nextTimerAt: timerAt }) => timerAt)),
})

const earliestOf = (times: readonly (Date | null)[]) =>
  times.reduce((first, time) => (time && (!first || time < first) ? time : first), null)

async function processBatch(
  deps: BatchDeps,
  tx: Tx,
  clientId: string,
  lanes: readonly number[],
  limit: number,
): Promise<ProcessedBatch> {
  const dues = sortByOccurrence(await claimDueEvents(tx, clientId, lanes, limit))
  if (dues.length === 0) return { result: NOTHING_DUE, report: null }
  const world = emptyWorld(clientId)
  const wants = noLookups()
  do for (const due of dues) if (due.body) collectLookups(world, due, wants)
  while (await loadLookups(tx, world, wants))

  const now = deps.now()
  const { holdSeconds, hydrateSeconds } = deps
  const results = dues.map((due) => normalizeSourceEvent(world, due, { now, holdSeconds, hydrateSeconds }))
  const fresh = await claimBusinessKeys(
    tx,
    clientId,
    results.flatMap(({ events }) => events),
  )
  const outcomes = results.map(({ outcome, events }) =>
    events.length > 0 && !events.some((event) => fresh.has(event)) ? alreadyEmittedOutcome(outcome) : outcome,
  )
  const events = [...fresh]
  await insertEvents(tx, clientId, events)
  const fanOutAt = Date.now()
  const endpointIds = events.length > 0 ? await deps.fanOut(tx, clientId, events) : []
  const fanOut = events.length > 0 ? { startedAt: fanOutAt, endedAt: Date.now() } : null
  await saveWorld(tx, world)
  await saveOverdueTimers(tx, world)
  await saveOutcomes(tx, clientId, outcomes)
  const asks = [...world.dirty.fetchRequests.values()]
  const landed = asks.length > 0 && (await saveFetchRequests(tx, clientId, asks, outcomes))
  const released = await releaseHeld(
    tx,
    clientId,
    [...world.arrivedFacts].filter((key) => world.holds.has(key)),
  )
  for (const { outcome } of results)
    if (outcome.state === 'failed')
      deps.log.warn({ clientId, sourceEventId: outcome.id, code: outcome.code }, 'source_event.failed')
  return {
    result: {
      sourceEventCount: dues.length,
      endpointIds,
      heldUntil: earliestOf(outcomes.map(({ heldUntil }) => heldUntil)),
      hasReleasedHeld: released || landed,
      hasFetchRequests: asks.length > 0,
      nextTimerAt: earliestOf([...world.dirty.timers.values()].map(({ at }) => at)),
    },
    report: { clientId, fanOut, outcomes: outcomes.map((outcome, at) => reportOf(dues[at]!, outcome)), events },
  }
}

const reportOf = ({ sourceId, type, receivedAt }: SourceEvent, { id, state, code, message }: SourceEventOutcome) => ({
  id,
  sourceId,
  type,
  receivedAt,
  state,
  code,
  message,
})

// Stripe promises no order; what lies in one batch is at least told in the order it happened. A deleted customer comes
// before the subscriptions that ended with it, so that their end is not taken for a cancellation.
export const sortByOccurrence = (dues: SourceEvent[]): SourceEvent[] => {
  const rank = ({ type }: SourceEvent) =>
    type === 'customer.deleted' ? -1 : type.endsWith('.created') ? 0 : type.endsWith('.deleted') ? 2 : 1
  return dues.sort(
    (a, b) => a.createdAt.getTime() - b.createdAt.getTime() || rank(a) - rank(b) || (a.id < b.id ? -1 : 1),
  )
}

const alreadyEmittedOutcome = (outcome: SourceEventOutcome): SourceEventOutcome => ({
  ...outcome,
  state: 'ignored',
  code: 'already_emitted',
  message: 'Another event of the source told the same fact before.',
})

/** Lets held events go on whose missing fact has arrived; keys are `<source>|<fact>`. */
async function releaseHeld(tx: Tx, clientId: string, keys: readonly string[]): Promise<boolean> {
  if (keys.length === 0) return false
  const { rowCount } = await tx.query(
    `update source_events e set due_at = now()
       from unnest($2::uuid[], $3::text[]) f(source_id, fact)
      where e.client_id = $1 and e.state = 'held' and e.source_id = f.source_id and f.fact = any(e.held_for) and e.due_at > now()`,
    [clientId, keys.map((key) => key.slice(0, 36)), keys.map((key) => key.slice(37))],
  )
  return (rowCount ?? 0) > 0
}

/** The first due event could not be written, and trying again would not help: it ends as failed, replayable, with the reason. */
async function failFirstDue(
  deps: BatchDeps,
  tx: Tx,
  clientId: string,
  lanes: readonly number[],
  error: unknown,
): Promise<ProcessedBatch> {
  const [due] = await claimDueEvents(tx, clientId, lanes, 1)
  deps.log.error({ clientId, sourceEventId: due?.id, err: error }, 'source_event.failed')
  if (!due) return { result: NOTHING_DUE, report: null }
  const outcome = failedOutcome(due, 'internal', 'The gateway could not normalise this event; the log has the cause.')
  await saveOutcomes(tx, clientId, [outcome])
  return {
    result: { ...NOTHING_DUE, sourceEventCount: 1 },
    report: { clientId, fanOut: null, outcomes: [reportOf(due, outcome)], events: [] },
  }
}

/** A fault that belongs to what an event holds (PostgreSQL's data exceptions, or a bug in reading it), not to the moment. */
const isFaultOfOneEvent = (error: unknown): boolean => {
  const code = (error as { code?: unknown }).code
  if (typeof code !== 'string')
    return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError
  return code.startsWith('22') || code.startsWith('54')
}
