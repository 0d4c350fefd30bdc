import { createClientStatement } from '../database/client-statement.ts'
import type { Db } from '../database/db.ts'
import { queryEachClient } from '../database/each-client.ts'
import type { CreatedDelivery } from '../domain/created-delivery.ts'
import { createLeaseLoop } from '../workers/lease-loop.ts'
import {
  AT_ONCE,
  type HeldUnits,
  type LeaseLoop,
  type LeaseLoopDeps,
  type NextLook,
  NOT_BY_ITSELF,
} from '../workers/leased-room.ts'
import { createLoneGate } from '../workers/lone-gate.ts'
import { normalizeBatch } from './batch.ts'
import { type BatchDeps, type BatchResult, type BatchResults, NOTHING_DUE } from './batch-result.ts'
import { fireOverdueTimers } from './fire-timers.ts'

export interface NormalizerDeps extends BatchDeps, LeaseLoopDeps {
  /** How many lanes the receiver spreads a client's customers over. */
  laneCount: number
  /** Called after the commit with the endpoints that have new deliveries, and these. */
  onDeliveriesCreated: (clientId: string, endpointIds: string[], created: readonly CreatedDelivery[]) => void
  /** Called after the commit when something is to be fetched from Stripe for this client. */
  onFetchRequested?: (clientId: string) => void
}

export type Normalizer = LeaseLoop

const LANE_PREFIX = 'lane:'

/** What is known of a client for as long as its lanes are held. */
interface KnownMoments {
  /** When the first of its invoices falls due by our own timer; 0: nobody has looked yet. */
  nextTimerAt: number
  /** The earliest deadline of what is held. */
  heldUntil: number
}

/** Normalises source events: one batch after another, each of many clients. */
export function createNormalizer(given: NormalizerDeps): Normalizer {
  const deps = { ...given, gate: createLoneGate() }
  const { db, now, laneCount } = deps
  const units = Array.from({ length: laneCount }, (_, lane) => `${LANE_PREFIX}${lane}`)
  const knownOfUnits = new WeakMap<HeldUnits, KnownMoments>()
  const momentsOf = (held: HeldUnits): KnownMoments => {
    const known = knownOfUnits.get(held) ?? { nextTimerAt: 0, heldUntil: NOT_BY_ITSELF }
    knownOfUnits.set(held, known)
    return known
  }
  return createLeaseLoop(deps, {
    name: 'normalize',
    listUnits: (clientIds) => clientIds.flatMap((clientId) => units.map((unit) => ({ clientId, unit }))),
    workOn: (unitsOfClients) =>
      normalizeTurn(
        deps,
        [...unitsOfClients].flatMap(([clientId, held]) =>
          held.size === 0 ? [] : [{ clientId, lanes: lanesOf(held), moments: momentsOf(held) }],
        ),
      ),
    readNextDue: (clientIds) => readEarliestDue(db, clientIds, laneCount),
    readDueClients: () => readDueClients(db, now()),
  })
}

const lanesOf = (units: HeldUnits) => [...units].map((unit) => Number(unit.slice(LANE_PREFIX.length)))

interface LaneClient {
  clientId: string
  lanes: readonly number[]
  moments: KnownMoments
}

const lanesByClient = (clients: readonly LaneClient[]) =>
  new Map(clients.map(({ clientId, lanes }) => [clientId, lanes]))

/** A batch of these clients, and the timers that have gone off; answers when each is to be looked at again. */
async function normalizeTurn(
  deps: NormalizerDeps,
  clients: readonly LaneClient[],
): Promise<ReadonlyMap<string, NextLook>> {
  if (clients.length === 0) return new Map()
  const momentsOf = new Map(clients.map(({ clientId, moments }) => [clientId, moments]))
  // A deadline that has passed is looked at by this batch.
  for (const { moments } of clients) if (moments.heldUntil <= deps.now().getTime()) moments.heldUntil = NOT_BY_ITSELF
  const onCommitted = (committed: BatchResults) => {
    for (const [clientId, result] of committed) reportResult(deps, clientId, result, momentsOf.get(clientId))
  }
  const results = await normalizeBatch({ ...deps, onCommitted }, lanesByClient(clients))
  const fired = await fireDueTimers(deps, clients)
  return new Map(
    clients.map(({ clientId, moments: { heldUntil, nextTimerAt } }) => {
      const { sourceEventCount, hasReleasedHeld } = results.get(clientId) ?? NOTHING_DUE
      const hasMore = sourceEventCount > 0 || hasReleasedHeld || fired.has(clientId)
      return [clientId, { at: hasMore ? AT_ONCE : Math.min(heldUntil, nextTimerAt) }]
    }),
  )
}

/** Tells others what a batch has brought about, and remembers what will be due. */
function reportResult(deps: NormalizerDeps, clientId: string, result: BatchResult, moments?: KnownMoments): void {
  const { endpointIds, created, hasFetchRequests, heldUntil, nextTimerAt } = result
  if (endpointIds.length > 0) deps.onDeliveriesCreated(clientId, endpointIds, created)
  if (hasFetchRequests) deps.onFetchRequested?.(clientId)
  if (moments && heldUntil) moments.heldUntil = Math.min(moments.heldUntil, heldUntil.getTime())
  if (moments && nextTimerAt) moments.nextTimerAt = Math.min(moments.nextTimerAt, nextTimerAt.getTime())
}

/** Makes source events of the timers that have gone off, which are normalised in the next turn; answers whose. */
async function fireDueTimers(deps: NormalizerDeps, clients: readonly LaneClient[]): Promise<ReadonlySet<string>> {
  const due = clients.filter(({ moments }) => moments.nextTimerAt <= deps.now().getTime())
  if (due.length === 0) return new Set()
  const firedOfClients = await fireOverdueTimers(deps, lanesByClient(due))
  for (const { clientId, moments } of due) moments.nextTimerAt = firedOfClients.get(clientId)?.next ?? NOT_BY_ITSELF
  const events = [...firedOfClients.values()].flatMap(({ fired }) => fired)
  if (events.length > 0)
    deps.watch?.onSourceEventsStored?.({ via: 'timer', events, duplicates: 0, committedAt: deps.now().getTime() })
  return new Set(events.map(({ clientId }) => clientId))
}

const selectEarliestDue = createClientStatement<{ clientId: string; due: Date | null }>({
  name: 'normalize.earliest_due',
  // The first of each lane, since only within a lane they stand in the index by when they are due.
  text: (tie) => `
    select w.client_id as "clientId", least(e.due_at, t.due_at) as due
      from unnest($1::uuid[]) w(client_id)
     cross join lateral (
       select min(f.due_at) as due_at from unnest($2::smallint[]) l(lane)
        cross join lateral (
          select s.due_at from source_events s
           where s.client_id = w.client_id and s.lane = l.lane and s.due_at < 'infinity' ${tie('s.client_id')}
           order by s.due_at limit 1) f) e
     cross join lateral (
       select min(i.due_at) as due_at from invoice_dues i where i.client_id = w.client_id ${tie('i.client_id')}) t`,
})

/** When each client's first source event or timer is due, in milliseconds. */
export async function readEarliestDue(
  db: Db,
  clientIds: readonly string[],
  laneCount: number,
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await selectEarliestDue(db, clientIds, [clientIds, [...Array(laneCount).keys()]])
  return new Map(rows.flatMap(({ clientId, due }) => (due ? [[clientId, due.getTime()]] : [])))
}

/** The clients that have due source events or timers. */
async function readDueClients(db: Db, now: Date): Promise<string[]> {
  const clients = await queryEachClient<{ id: string }>(
    db,
    (client) => `
      select ${client} as id
       where exists (select from source_events where client_id = ${client} and due_at <= now())
          or exists (select from invoice_dues where client_id = ${client} and due_at <= $1)`,
    [now],
    { passOverAway: true },
  )
  return clients.map(({ id }) => id)
}
