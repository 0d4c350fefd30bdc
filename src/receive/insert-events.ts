import { findAwayClients } from '../database/away-nodes.ts'
import { type Db, inShortTransaction, type Tx } from '../database/db.ts'
import { findDeletedOwners } from '../database/deletions.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import { newId } from '../domain/ids.ts'
import type { RoutingClues } from '../domain/routing-clues.ts'
import type { Envelope } from './envelope.ts'
import {
  type ArrivedRoute,
  type ArrivingRow,
  type FindAway,
  insertUnsettledEvents,
  routeArrivals,
} from './route-arrivals.ts'

/** An event to store: verified, its envelope read, with the bytes as signed. */
export interface IncomingEvent extends Envelope {
  clientId: string
  sourceId: string
  bytes: Buffer
  /** Of a source that routes: what tells whose it is. `clientId` is the operator's. */
  clues?: RoutingClues | undefined
}

/** What became of an event: the row it was stored as, or that it was there already. */
export type StoreResult =
  /** `route`: it came from a source that routes, and is the client's `clientId` by now, or nobody's yet. */
  | { duplicate: false; id: string; receivedAt: Date; clientId?: string; route?: ArrivedRoute; hasNews?: boolean }
  | { duplicate: true }

/** What became of a group of events. */
export type GroupResult = StoreResult[] | 'unstorable' | 'unavailable' | 'deleted'
type SourceEventRow = IncomingEvent & { id: string; identity: string; group: number; route?: ArrivedRoute }
/** What batches are stored with. */
export type StoreDeps = { db: Db; holdUntil: () => Date }
/** Of an attempt to store: the clients that events were routed to, known as soon as anything is written for them. */
type RoutedTargets = Set<string>

/** Whether nobody knows yet, or at all, whose the event is. */
export const isUnsettled = (route: ArrivedRoute | undefined) =>
  route?.state === 'waiting' || route?.state === 'unrouted'

const assignId = (event: IncomingEvent, group: number): SourceEventRow => ({
  ...event,
  id: newId(),
  group,
  identity: `${event.eventId} ${event.sourceId} ${event.account} ${event.livemode}`,
})

/**
 * Stores the groups in one transaction. Nothing is stored for a client or a source that was deleted since the request began, nor of a
 * group with an event for a client whose node is known to be away. The others that events are routed to are added to `targets`.
 */
export async function insertGroups(
  { db, holdUntil }: StoreDeps,
  groups: readonly (readonly IncomingEvent[])[],
  targets: RoutedTargets = new Set(),
): Promise<GroupResult[]> {
  const owners = new Set(groups.flatMap((events) => events.flatMap(({ clientId, sourceId }) => [clientId, sourceId])))
  const { rowsOfGroups, stored, leftOut } = await inShortTransaction(db, {
    read: (tx) => findDeletedOwners(tx, [...owners]),
    async write(tx, deleted) {
      const isDeleted = ({ clientId, sourceId }: IncomingEvent) => deleted.has(clientId) || deleted.has(sourceId)
      // Within the transaction, however long it waited for a connection: lists end before transactions that are open.
      const rowsOfGroups = groups.map((events, at) =>
        events.some(isDeleted) ? null : events.map((event) => assignId(event, at)),
      )
      const rows = rowsOfGroups.flatMap((some) => some ?? [])
      const arriving = rows.filter(isToRoute)
      const { stored, last, leftOut } =
        arriving.length === 0
          ? { ...(await insertSourceEvents(tx, rows)), leftOut: NONE }
          : await insertRoutedEvents(tx, {
              others: rows.filter((row) => !isToRoute(row)),
              arriving,
              heldUntil: holdUntil(),
              async findAway(clientIds) {
                const away = await findAwayClients(db, tx, clientIds)
                for (const clientId of clientIds) if (!away.has(clientId)) targets.add(clientId)
                return away
              },
            })
      return { result: { rowsOfGroups, stored, leftOut }, last }
    },
  })
  return rowsOfGroups.map((rows, at): GroupResult => {
    if (leftOut.has(at)) return 'unavailable'
    return (
      rows?.map(({ id }): StoreResult => {
        const result = stored.get(id)
        return result ? { duplicate: false, id, ...result } : { duplicate: true }
      }) ?? 'deleted'
    )
  })
}

const NONE: ReadonlySet<number> = new Set()

/** What became of a row that was inserted. */
type StoredRow = { receivedAt: Date; clientId?: string; route?: ArrivedRoute; hasNews?: boolean }

/** The rows that were not there yet, and the statement that stores their bodies, which nobody has waited for. */
type StoredRows = { stored: Map<string, StoredRow>; last: Promise<unknown> }

const isToRoute = (row: SourceEventRow): row is SourceEventRow & ArrivingRow => row.clues !== undefined

/** Stores the events of routed sources where they belong, and those of others, each in as many statements as one event. */
async function insertRoutedEvents(
  tx: Tx,
  {
    others,
    arriving,
    heldUntil,
    findAway,
  }: { others: SourceEventRow[]; arriving: ArrivingRow[]; heldUntil: Date; findAway: FindAway },
): Promise<StoredRows & { leftOut: ReadonlySet<number> }> {
  const { rows, hasNews, leftOut } = await routeArrivals(tx, arriving, findAway)
  const settled = rows.filter(({ route }) => !isUnsettled(route))
  const unsettled = rows.filter(({ route }) => isUnsettled(route)).map((row) => ({ ...row, heldUntil }))
  const { stored, last } = await insertSourceEvents(tx, [...others, ...settled])
  if (unsettled.length > 0) {
    for (const { id, received_at } of await insertUnsettledEvents(tx, unsettled))
      stored.set(id, { receivedAt: received_at })
    await insertBodies(tx, unsettled)
  }
  for (const { id, clientId, route } of rows) {
    const one = stored.get(id)
    if (one) stored.set(id, { ...one, clientId, route, hasNews })
  }
  return { stored, last, leftOut }
}

const insertRowsOfEvents = createRowInsert<SourceEventRow, { id: string; received_at: Date }>({
  name: 'receive.source_events',
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
  },
  end: 'on conflict do nothing returning id, received_at',
})

const insertBodies = createRowInsert<SourceEventRow>({
  name: 'receive.source_event_bodies',
  isSentAtOnce: true,
  table: 'source_event_bodies',
  columns: { client_id: (row) => row.clientId, source_event_id: (row) => row.id, body: (row) => row.bytes },
})

// Two statements rather than a CTE that writes: the tables may be distributed by client, and a batch holds many clients.
async function insertSourceEvents(tx: Tx, rows: SourceEventRow[]): Promise<StoredRows> {
  // All processes insert in the same order: two batches with the same events in different orders would deadlock.
  const ordered = rows.toSorted((a, b) => (a.identity < b.identity ? -1 : 1))
  const inserted = await insertRowsOfEvents(tx, ordered)
  const stored = new Map<string, StoredRow>(inserted.map(({ id, received_at }) => [id, { receivedAt: received_at }]))
  const last = insertBodies(
    tx,
    ordered.filter(({ id }) => stored.has(id)),
  )
  // It is waited for at the commit; what fails before that is told first.
  last.catch(() => {})
  return { stored, last }
}
