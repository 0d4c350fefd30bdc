import { type Db, inTransaction, type Tx } from '../db.ts'
import type { Log } from '../log.ts'
import { saveTimers } from './dues.ts'
import { askFor } from './hydrations.ts'
import { load } from './load.ts'
import { type Normalized, normalize, wantsOf } from './normalize.ts'
import { save } from './save.ts'
import { claimDue, type Due, type Outcome, settle } from './source-events.ts'
import { noWants } from './wants.ts'
import { emptyWorld } from './world.ts'

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
    events: readonly Pick<Normalized, 'id' | 'contract' | 'type'>[],
  ) => Promise<string[]>
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
    return await inTransaction(deps.db, (tx) => batch(deps, tx, clientId, lanes, limit))
  } catch (error) {
    // One event that PostgreSQL or our own code cannot take must not hold up its neighbours: halves until it stands alone.
    if (!isOfOneEvent(error)) throw error
    if (limit > 1) return normalizeBatch(deps, clientId, lanes, Math.ceil(limit / 2))
    if (lanes.length === 1) return inTransaction(deps.db, (tx) => giveUp(deps, tx, clientId, lanes, error))
    const results: BatchResult[] = []
    for (const lane of lanes) results.push(await normalizeBatch(deps, clientId, [lane], 1))
    return together(results)
  }
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

async function batch(
  deps: Deps,
  tx: Tx,
  clientId: string,
  lanes: readonly number[],
  limit: number,
): Promise<BatchResult> {
  const dues = inOrder(await claimDue(tx, clientId, lanes, limit))
  if (dues.length === 0)
    return { count: 0, endpointIds: [], heldUntil: null, released: false, asked: false, timerAt: null }
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
  const endpointIds = events.length > 0 ? await deps.fanOut(tx, clientId, events) : []
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
    count: dues.length,
    endpointIds,
    heldUntil: earliest(outcomes.map(({ heldUntil }) => heldUntil)),
    released: released || landed,
    asked: asks.length > 0,
    timerAt: earliest([...world.dirty.dues.values()].map(({ at }) => at)),
  }
}

// Stripe promises no order; what lies in one batch is at least told in the order it happened. A deleted customer comes
// before the subscriptions that ended with it, so that their end is not taken for a cancellation.
export const inOrder = (dues: Due[]): Due[] => {
  const rank = ({ type }: Due) =>
    type === 'customer.deleted' ? -1 : type.endsWith('.created') ? 0 : type.endsWith('.deleted') ? 2 : 1
  return dues.sort(
    (a, b) => a.createdAt.getTime() - b.createdAt.getTime() || rank(a) - rank(b) || (a.id < b.id ? -1 : 1),
  )
}

/** Claims the business keys; answers the events that are first to say theirs. */
async function claimKeys(tx: Tx, clientId: string, events: readonly Normalized[]): Promise<Set<Normalized>> {
  const first = new Map<string, Normalized>()
  for (const event of events) {
    const key = `${event.contract} ${event.key}`
    if (!first.has(key)) first.set(key, event)
  }
  if (first.size === 0) return new Set()
  const { rows } = await tx.query(
    `insert into emissions (client_id, contract, key, event_id)
     select $1, k.* from unnest($2::text[], $3::text[], $4::uuid[]) k
     on conflict do nothing returning contract, key`,
    [
      clientId,
      [...first.values()].map((e) => e.contract),
      [...first.values()].map((e) => e.key),
      [...first.values()].map((e) => e.id),
    ],
  )
  const claimed = new Set(rows.map(({ contract, key }) => `${contract} ${key}`))
  return new Set([...first].filter(([key]) => claimed.has(key)).map(([, event]) => event))
}

async function insertEvents(tx: Tx, clientId: string, events: readonly Normalized[]) {
  if (events.length === 0) return
  await tx.query(
    `insert into events (client_id, id, source_event_id, contract, type, user_id, key, position, occurred_at, body)
     select $1, e.* from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::smallint[],
                                $9::timestamptz[], $10::text[]) e`,
    [
      clientId,
      events.map(({ id }) => id),
      events.map(({ sourceEventId }) => sourceEventId),
      events.map(({ contract }) => contract),
      events.map(({ type }) => type),
      events.map(({ userId }) => userId),
      events.map(({ key }) => key),
      events.map(({ position }) => position),
      events.map(({ occurredAt }) => occurredAt),
      events.map(({ body }) => body),
    ],
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
async function giveUp(
  deps: Deps,
  tx: Tx,
  clientId: string,
  lanes: readonly number[],
  error: unknown,
): Promise<BatchResult> {
  const [due] = await claimDue(tx, clientId, lanes, 1)
  deps.log.error({ clientId, sourceEventId: due?.id, error }, 'source_event.failed')
  if (due)
    await settle(tx, clientId, [
      {
        id: due.id,
        state: 'failed',
        code: 'internal',
        message: 'The gateway could not normalise this event; the log has the cause.',
        heldUntil: null,
        heldFor: null,
      },
    ])
  return { count: due ? 1 : 0, endpointIds: [], heldUntil: null, released: false, asked: false, timerAt: null }
}

/** A fault that belongs to what an event holds (PostgreSQL's data exceptions, or a bug in reading it), not to the moment. */
const isOfOneEvent = (error: unknown): boolean => {
  const code = (error as { code?: unknown }).code
  if (typeof code !== 'string')
    return error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError
  return code.startsWith('22') || code.startsWith('54')
}
