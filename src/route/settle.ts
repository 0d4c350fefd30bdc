import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import { learnObjects, type RoutingWait, type ToldObject } from '../database/routing-tables.ts'
import type { RouteDecision } from '../domain/route-decision.ts'
import type { RoutedBy, RoutingState } from '../domain/routing.ts'
import type { WaitingEvent } from './waiting-events.ts'

/** What is decided of an event that was looked at. */
export type Settlement =
  | Extract<RouteDecision, { state: 'routed' | 'shared' }>
  | { state: 'unrouted'; code: string; message: string; waitsFor: readonly string[] }
  /** It goes on waiting until `heldUntil`, and is looked at again then, or at `dueAt`. */
  | { state: 'waiting'; code: string; message: string; waitsFor: readonly string[]; heldUntil: Date; dueAt: Date }

export type SettledEvent = { event: WaitingEvent; settlement: Settlement }

/**
 * Writes down what was decided: moves events to their clients, ends those that have none, lets go on what waits. Answers whether something
 * is known by now that others wait for.
 */
export async function saveSettlements(
  tx: Queryable,
  clientId: string,
  settled: readonly SettledEvent[],
  now: Date,
): Promise<boolean> {
  await saveRoutings(tx, clientId, settled)
  await deleteDoneWaits(tx, clientId, settled)
  const hasNews = await learnObjects(tx, toldBy(clientId, settled), waitsOf(clientId, settled))
  await moveEvents(tx, clientId, settled)
  await saveStates(tx, clientId, settled, now)
  return hasNews
}

// Updates name their rows in addition as a list, by which they are found in an index, whatever is believed of the tables.
async function saveRoutings(tx: Queryable, clientId: string, settled: readonly SettledEvent[]): Promise<void> {
  const rows = settled.map(({ event: { id }, settlement }) => ({
    id,
    state: settlement.state satisfies RoutingState,
    targetId: settlement.state === 'routed' ? settlement.targetId : null,
    routedBy: settlement.state === 'routed' ? settlement.routedBy : (null as RoutedBy | null),
    dueAt: settlement.state === 'waiting' ? settlement.dueAt : null,
  }))
  await tx.query({
    name: 'route.save_routings',
    text: `update routings r set state = s.state, target_id = s.target_id, routed_by = s.routed_by::jsonb, due_at = s.due_at
             from unnest($2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[]) s(id, state, target_id, routed_by, due_at)
            where r.client_id = $1 and r.source_event_id = any($2::uuid[]) and r.source_event_id = s.id
              and r.state in ('waiting', 'unrouted')`,
    values: [
      clientId,
      rows.map(({ id }) => id),
      rows.map(({ state }) => state),
      rows.map(({ targetId }) => targetId),
      rows.map(({ routedBy }) => routedBy && JSON.stringify(routedBy)),
      rows.map(({ dueAt }) => dueAt),
    ],
  })
}

const toldBy = (clientId: string, settled: readonly SettledEvent[]): ToldObject[] =>
  settled.flatMap(({ event: { sourceId, eventId }, settlement }) =>
    settlement.state === 'routed'
      ? settlement.learns.map(({ key }) => ({
          ...{ clientId, sourceId, key, name: settlement.routedBy.name, toldBy: eventId },
        }))
      : [],
  )

/** What is not settled waits for all that would tell. */
const waitsOf = (clientId: string, settled: readonly SettledEvent[]): RoutingWait[] =>
  settled.flatMap(({ event: { id, sourceId }, settlement }) =>
    'waitsFor' in settlement ? settlement.waitsFor.map((key) => ({ clientId, sourceId, key, sourceEventId: id })) : [],
  )

/** What is settled waits for nothing. */
async function deleteDoneWaits(tx: Queryable, clientId: string, settled: readonly SettledEvent[]): Promise<void> {
  const done = settled.filter(({ settlement }) => !('waitsFor' in settlement)).map(({ event }) => event.id)
  if (done.length > 0) await deleteWaits(tx, clientId, done)
}

const deleteWaits = (tx: Queryable, clientId: string, ids: readonly string[]) =>
  tx.query({
    name: 'route.delete_waits',
    text: 'delete from routing_waits where client_id = $1 and source_event_id = any($2::uuid[])',
    values: [clientId, ids],
  })

type MovedEvent = { event: WaitingEvent; targetId: string; body: Buffer | null }

/**
 * Inserts events under their clients and deletes them under the operator's: rows are never given to another client, since they lie on
 * another node there. Their ids and times of receipt stay.
 */
async function moveEvents(tx: Queryable, clientId: string, settled: readonly SettledEvent[]): Promise<void> {
  const moved = settled.flatMap(({ event, settlement }): MovedEvent[] =>
    settlement.state === 'routed' ? [{ event, targetId: settlement.targetId, body: event.body }] : [],
  )
  if (moved.length === 0) return
  const ordered = moved.toSorted((a, b) => (a.event.id < b.event.id ? -1 : 1))
  await insertMovedEvents(tx, ordered)
  await insertMovedBodies(
    tx,
    ordered.filter(({ body }) => body !== null),
  )
  const ids = ordered.map(({ event }) => event.id)
  await tx.query({
    name: 'route.delete_bodies',
    text: 'delete from source_event_bodies where client_id = $1 and source_event_id = any($2::uuid[])',
    values: [clientId, ids],
  })
  await tx.query({
    name: 'route.delete_events',
    text: 'delete from source_events where client_id = $1 and id = any($2::uuid[])',
    values: [clientId, ids],
  })
}

const insertMovedEvents = createRowInsert<MovedEvent>({
  name: 'route.move_events',
  table: 'source_events',
  columns: {
    client_id: ({ targetId }) => targetId,
    id: ({ event }) => event.id,
    source_id: ({ event }) => event.sourceId,
    account: ({ event }) => event.account,
    livemode: ({ event }) => event.livemode,
    event_id: ({ event }) => event.eventId,
    type: ({ event }) => event.type,
    api_version: ({ event }) => event.apiVersion,
    lane: ({ event }) => event.lane,
    created_at: ({ event }) => event.createdAt.toISOString(),
    received_at: ({ event }) => event.receivedAt,
  },
  end: 'on conflict do nothing',
})

const insertMovedBodies = createRowInsert<MovedEvent>({
  name: 'route.move_bodies',
  table: 'source_event_bodies',
  columns: {
    client_id: ({ targetId }) => targetId,
    source_event_id: ({ event }) => event.id,
    body: ({ body }) => body,
  },
  end: 'on conflict do nothing',
})

/** The states of what stays with the operator: it waits, has ended without a client, or is normalised there since it is everybody's. */
async function saveStates(tx: Queryable, clientId: string, settled: readonly SettledEvent[], now: Date): Promise<void> {
  const rows = settled.flatMap(({ event: { id }, settlement }) => {
    if (settlement.state === 'routed') return []
    const isWaiting = settlement.state === 'waiting'
    const reason = 'code' in settlement ? settlement : { code: null, message: null, waitsFor: [] }
    return [
      {
        id,
        state: isWaiting ? 'held' : settlement.state === 'shared' ? 'received' : 'unrouted',
        code: reason.code,
        message: reason.message,
        heldUntil: isWaiting ? settlement.heldUntil : null,
        // The normaliser leaves alone what is due at the end of time.
        dueAt: isWaiting ? 'infinity' : settlement.state === 'shared' ? now.toISOString() : null,
        heldFor: isWaiting ? reason.waitsFor.join('\x1f') : null,
      },
    ]
  })
  if (rows.length === 0) return
  await tx.query({
    name: 'route.save_states',
    text: `update source_events e
              set state = s.state, reason_code = s.code, reason_message = s.message, held_until = s.held_until,
                  held_for = case when s.held_for is null then null else string_to_array(s.held_for, e'\\x1f') end,
                  due_at = s.due_at
             from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::timestamptz[])
                  s(id, state, code, message, held_until, held_for, due_at)
            where e.client_id = $1 and e.id = any($2::uuid[]) and e.id = s.id`,
    values: [
      clientId,
      rows.map(({ id }) => id),
      rows.map(({ state }) => state),
      rows.map(({ code }) => code),
      rows.map(({ message }) => message),
      rows.map(({ heldUntil }) => heldUntil),
      rows.map(({ heldFor }) => heldFor),
      rows.map(({ dueAt }) => dueAt),
    ],
  })
}

/** Closes the books on events that are not there any more, or were expunged: nobody's they stay. */
export async function closeOrphans(tx: Queryable, clientId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx.query({
    name: 'route.close_orphans',
    text: `update routings set state = 'unrouted', due_at = null
            where client_id = $1 and source_event_id = any($2::uuid[]) and state in ('waiting', 'unrouted')`,
    values: [clientId, ids],
  })
  await deleteWaits(tx, clientId, ids)
}
