import { type Db, inTransaction, type Tx } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { NormalizedBatch, Watch } from '../watch.ts'
import { claimKeys, insertEvents } from './emissions.ts'
import { askFor } from './missing/ask-stripe.ts'
import { failed } from './outcomes.ts'
import { saveTimers } from './overdue-timer.ts'
import type { Due, Outcome } from './source-event.ts'
import { type Normalized, normalize, wantsOf } from './source-event-outcome.ts'
import { claimDue, settle } from './source-events.ts'
import { load } from './world/load.ts'
import { noWants } from './world/lookups.ts'
import { save } from './world/save.ts'
import { emptyWorld } from './world/world.ts'

export interface Deps {
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
    events: readonly Pick<Normalized, 'id' | 'contract' | 'type' | 'userId'>[],
  ) => Promise<string[]>
  /** Told of each transaction after its commit. */
  watch?: Watch
}

export interface BatchResult {
  /** Source events looked at; fewer than the limit means that no more were due. */
  count: number
  endpointIds: string[]
  /** Earliest deadline of what this batch holds back. */
  heldUntil: Date | null
  /** Held events were released: look again at once. */
  released: boolean
  /** Something is to be fetched from Stripe. */
  asked: boolean
  /** When the first of the timers goes off that this batch has set. */
  timerAt: Date | null
}

/** Events per lane in one transaction. */
const LIMIT = 60

/** Normalises the due events of some lanes of one client in one transaction: states, events, deliveries, snapshots, all or nothing. */
export async function normalizeBatch(
  deps: Deps,
  clientId: string,
  lanes: readonly number[],
  limit = LIMIT,
): Promise<BatchResult> {
  try {
    return await told(deps, (tx) => batch(deps, tx, clientId, lanes, limit))
  } catch (error) {
    // One event that PostgreSQL or our own code cannot take must not hold up its neighbours: halves until it stands alone.
    if (!isOfOneEvent(error)) throw error
    if (limit > 1) return normalizeBatch(deps, clientId, lanes, Math.ceil(limit / 2))
    if (lanes.length === 1) return told(deps, (tx) => giveUp(deps, tx, clientId, lanes, error))
    const half = lanes.length >> 1
    const first = await normalizeBatch(deps, clientId, lanes.slice(0, half), 1)
    return together([first, await normalizeBatch(deps, clientId, lanes.slice(half), 1)])
  }
}

/** What a transaction came to, and what there is to tell of it; null: it found nothing to do. */
type Done = { result: BatchResult; news: Omit<NormalizedBatch, 'startedAt' | 'committedAt'> | null }

async function told({ db, watch }: Deps, work: (tx: Tx) => Promise<Done>): Promise<BatchResult> {
  const startedAt = Date.now()
  const { result, news } = await inTransaction(db, work)
  if (news) watch?.normalized?.({ ...news, startedAt, committedAt: Date.now() })
  return result
}

const NOTHING: BatchResult = {
  count: 0,
  endpointIds: [],
  heldUntil: null,
  released: false,
  asked: false,
  timerAt: null,
}

const together = (results: BatchResult[]): BatchResult => ({
  count: results.reduce((sum, { count }) => sum + count, 0),
  endpointIds: [...new Set(results.flatMap(({ endpointIds }) => endpointIds))],
  heldUntil: earliest(results.map(({ heldUntil }) => heldUntil)),
  released: results.some(({ released }) => released),
  asked: results.some(({ asked }) => asked),
  timerAt: earliest(results.map(({ timerAt }) => timerAt)),
})

const earliest = (times: readonly (Date | null)[]) =>
  times.reduce((first, time) => (time && (!first || time < first) ? time : first), null)

async function batch(deps: Deps, tx: Tx, clientId: string, lanes: readonly number[], limit: number): Promise<Done> {
  const dues = inOrder(await claimDue(tx, clientId, lanes, limit))
  if (dues.length === 0) return { result: NOTHING, news: null }
  const world = emptyWorld(clientId)
  const wants = noWants()
  do for (const due of dues) if (due.body) wantsOf(world, due, wants)
  while (await load(tx, world, wants))

  const now = deps.now()
  const { holdSeconds, hydrateSeconds } = deps
  const results = dues.map((due) => normalize(world, due, { now, holdSeconds, hydrateSeconds }))
  const fresh = await claimKeys(
    tx,
    clientId,
    results.flatMap(({ events }) => events),
  )
  const outcomes = results.map(({ outcome, events }) =>
    events.length > 0 && !events.some((event) => fresh.has(event)) ? alreadyEmitted(outcome) : outcome,
  )
  const events = [...fresh]
  await insertEvents(tx, clientId, events)
  const fanOutAt = Date.now()
  const endpointIds = events.length > 0 ? await deps.fanOut(tx, clientId, events) : []
  const fanOut = events.length > 0 ? { startedAt: fanOutAt, endedAt: Date.now() } : null
  await save(tx, world)
  await saveTimers(tx, world)
  await settle(tx, clientId, outcomes)
  const asks = [...world.dirty.asks.values()]
  const landed = asks.length > 0 && (await askFor(tx, clientId, asks, outcomes))
  const released = await release(
    tx,
    clientId,
    [...world.arrived].filter((key) => world.holds.has(key)),
  )
  for (const { outcome } of results)
    if (outcome.state === 'failed')
      deps.log.warn({ clientId, sourceEventId: outcome.id, code: outcome.code }, 'source_event.failed')
  return {
    result: {
      count: dues.length,
      endpointIds,
      heldUntil: earliest(outcomes.map(({ heldUntil }) => heldUntil)),
      released: released || landed,
      asked: asks.length > 0,
      timerAt: earliest([...world.dirty.dues.values()].map(({ at }) => at)),
    },
    news: { clientId, fanOut, outcomes: outcomes.map((outcome, at) => toTell(dues[at]!, outcome)), events },
  }
}

const toTell = ({ sourceId, type, receivedAt }: Due, { id, state, code, message }: Outcome) => ({
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
export const inOrder = (dues: Due[]): Due[] => {
  const rank = ({ type }: Due) =>
    type === 'customer.deleted' ? -1 : type.endsWith('.created') ? 0 : type.endsWith('.deleted') ? 2 : 1
  return dues.sort(
    (a, b) => a.createdAt.getTime() - b.createdAt.getTime() || rank(a) - rank(b) || (a.id < b.id ? -1 : 1),
  )
}

const alreadyEmitted = (outcome: Outcome): Outcome => ({
  ...outcome,
  state: 'ignored',
  code: 'already_emitted',
  message: 'Another event of the source told the same fact before.',
})

/** Lets held events go on whose missing fact has arrived; keys are `<source>|<fact>`. */
async function release(tx: Tx, clientId: string, keys: readonly string[]): Promise<boolean> {
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
async function giveUp(deps: Deps, tx: Tx, clientId: string, lanes: readonly number[], error: unknown): Promise<Done> {
  const [due] = await claimDue(tx, clientId, lanes, 1)
  deps.log.error({ clientId, sourceEventId: due?.id, err: error }, 'source_event.failed')
  if (!due) return { result: NOTHING, news: null }
  const outcome = failed(due, 'internal', 'The gateway could not normalise this event; the log has the cause.')
  await settle(tx, clientId, [outcome])
  return {
    result: { ...NOTHING, count: 1 },
    news: { clientId, fanOut: null, outcomes: [toTell(due, outcome)], events: [] },
  }
}

/** A fault that belongs to what an event holds (PostgreSQL's data exceptions, or a bug in reading it), not to the moment. */
const isOfOneEvent = (error: unknown): boolean => {
  const code = (error as { code?: unknown }).code
  if (typeof code !== 'string')
    return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError
  return code.startsWith('22') || code.startsWith('54')
}
