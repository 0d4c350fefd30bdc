import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import {
  type EventToRoute,
  findKnownRoutes,
  insertRoutings,
  learnObjects,
  type RoutingRow,
} from '../database/routing-tables.ts'
import { decideRoutes, type KnownRoutes, type RouteDecision } from '../domain/route-decision.ts'
import type { RoutingState } from '../domain/routing.ts'
import type { Envelope } from './envelope.ts'
import { pairUp } from './pair-up.ts'

/** A source event of a routed source, to be stored: its client is the operator's so far. */
export type ArrivingRow = Envelope &
  EventToRoute & {
    id: string
    identity: string
    bytes: Buffer
    /** Which of the groups that are stored whole or not at all it belongs to. */
    group: number
  }

/** What becomes of an event of a routed source as it is stored. */
export interface ArrivedRoute {
  state: RoutingState
  code: string | null
  message: string | null
  /** Keys of routing_waits. */
  waitsFor: readonly string[]
}

/** Where the events of a batch go. */
interface RoutedBatch<Row> {
  /** Those that are new, each under the client that it is stored for. */
  rows: (Row & { route: ArrivedRoute })[]
  /** Something is known by now that events wait for. */
  hasNews: boolean
  /** Groups of which nothing is written, since a client that they go to cannot be reached. */
  leftOut: ReadonlySet<number>
}

/** Answers those of these clients that cannot be reached at present. */
export type FindAway = (clientIds: readonly string[]) => Promise<ReadonlySet<string>>

/**
 * Finds for new events of routed sources whose they are, as far as that is known, and writes it down: in as many statements for one event
 * as for a batch. An event that is not known yet, or that nobody's is, stays under the operator's client.
 */
export async function routeArrivals<Row extends ArrivingRow>(
  tx: Queryable,
  arriving: readonly Row[],
  findAway: FindAway,
): Promise<RoutedBatch<Row>> {
  const { decisions, leftOut } = await decideReachable(arriving, await findKnownRoutes(tx, arriving), findAway)
  // All processes insert in the same order: two batches with the same events in different orders would deadlock.
  const ordered = decisions.toSorted(([a], [b]) => (a.identity < b.identity ? -1 : 1))
  const inserted = await insertRoutings(
    tx,
    ordered.map(([row, decision]) => routingOf(row, decision)),
  )
  const freshIds = new Set(inserted.map(({ source_event_id }) => source_event_id))
  const fresh = decisions.filter(([{ id }]) => freshIds.has(id))
  const hasNews = await learnObjects(tx, fresh.flatMap(toldBy), fresh.flatMap(waitsOf))
  return {
    rows: fresh.map(([row, decision]) => ({
      ...row,
      clientId: decision.state === 'routed' ? decision.targetId : row.clientId,
      route: routeOf(decision),
    })),
    hasNews,
    leftOut,
  }
}

/**
 * Decides for the events, without the groups of those whose client cannot be reached. They come again; what is decided of the others
 * must not lean on what they tell, which is not written down.
 */
async function decideReachable<Row extends ArrivingRow>(
  arriving: readonly Row[],
  known: KnownRoutes,
  findAway: FindAway,
): Promise<{ decisions: [Row, RouteDecision][]; leftOut: ReadonlySet<number> }> {
  const leftOut = new Set<number>()
  for (;;) {
    const rows = arriving.filter(({ group }) => !leftOut.has(group))
    const decisions = pairUp(rows, decideRoutes(rows, new Map(known)))
    const targetOf = (decision: RouteDecision) => (decision.state === 'routed' ? [decision.targetId] : [])
    const away = await findAway([...new Set(decisions.flatMap(([, decision]) => targetOf(decision)))])
    if (away.size === 0) return { decisions, leftOut }
    for (const [{ group }, decision] of decisions)
      if (targetOf(decision).some((targetId) => away.has(targetId))) leftOut.add(group)
  }
}

const routingOf = (row: ArrivingRow, decision: RouteDecision): RoutingRow => ({
  clientId: row.clientId,
  sourceId: row.sourceId,
  account: row.account,
  livemode: row.livemode,
  eventId: row.eventId,
  sourceEventId: row.id,
  state: decision.state,
  targetId: decision.state === 'routed' ? decision.targetId : null,
  routedBy: decision.state === 'routed' ? decision.routedBy : null,
})

const routeOf = (decision: RouteDecision): ArrivedRoute =>
  'code' in decision
    ? { state: decision.state, code: decision.code, message: decision.message, waitsFor: decision.waitsFor }
    : { state: decision.state, code: null, message: null, waitsFor: [] }

const toldBy = ([{ clientId, sourceId, eventId }, decision]: [ArrivingRow, RouteDecision]) =>
  decision.state === 'routed'
    ? decision.learns.map(({ key }) => ({
        ...{ clientId, sourceId, key, name: decision.routedBy.name, toldBy: eventId },
      }))
    : []

const waitsOf = ([{ clientId, sourceId, id }, decision]: [ArrivingRow, RouteDecision]) =>
  'waitsFor' in decision ? decision.waitsFor.map((key) => ({ clientId, sourceId, key, sourceEventId: id })) : []

/** An event that stays with the operator for now: it waits, or has ended without a client. */
type UnsettledRow = ArrivingRow & { route: ArrivedRoute; heldUntil: Date }

/** Inserts source events that wait for their client, or have none. The normaliser leaves alone what is due at the end of time. */
export const insertUnsettledEvents = createRowInsert<UnsettledRow, { id: string; received_at: Date }>({
  name: 'receive.unsettled_events',
  table: 'source_events',
  columns: {
    client_id: (row) => row.clientId,
    id: (row) => row.id,
    source_id: (row) => row.sourceId,
    account: (row) => row.account,
    livemode: (row) => row.livemode,
    event_id: (row) => row.eventId,
    type: (row) => row.type,
    api_version: (row) => row.apiVersion,
    lane: (row) => row.lane,
    created_at: (row) => row.createdAt.toISOString(),
    state: (row) => (row.route.state === 'waiting' ? 'held' : 'unrouted'),
    reason_code: (row) => row.route.code,
    reason_message: (row) => row.route.message,
    held_until: (row) => (row.route.state === 'waiting' ? row.heldUntil.toISOString() : null),
    held_for: (row) => (row.route.state === 'waiting' ? row.route.waitsFor : null),
    due_at: (row) => (row.route.state === 'waiting' ? 'infinity' : null),
  },
  end: 'on conflict do nothing returning id, received_at',
})
