import type { Queryable } from '../database/db.ts'
import { TIMER_BODY } from '../domain/event-origin.ts'
import { isIdText } from '../language/unreadable.ts'
import { factLockSql } from './missing/holds.ts'
import { PROCESS_DIED } from './outcomes.ts'
import { readBody, type SourceEvent, type SourceEventOutcome } from './source-event.ts'
import type { Observation } from './world/snapshots.ts'

const LANE_BYTES = 2 * 1024 * 1024

/**
 * Locks and reads the due events of some lanes of a client, oldest first, `limit` at most per lane; what another
 * transaction has locked is passed over. Of each lane so many bytes at most, and one event whatever its size: bodies are parsed
 * into several times their size. `areInterrupted`: a process died with one of these lanes.
 */
export async function claimDueEvents(
  tx: Queryable,
  clientId: string,
  lanes: readonly number[],
  limit: number,
): Promise<{ sourceEvents: SourceEvent[]; areInterrupted: boolean }> {
  const { rows } = await tx.query<SourceEventRow & { areInterrupted: boolean }>(
    `select * from (
       select e.id, e.source_id, e.event_id, e.type, e.account, e.livemode, e.api_version, e.created_at, e.received_at, b.body,
              exists (select from interrupted_lanes where client_id = $1 and lane = any($2)) as "areInterrupted",
              coalesce(sum(octet_length(b.body)) over (
                partition by l.lane order by e.due_at, e.id rows between unbounded preceding and 1 preceding), 0) as before
         from ${factLockSql('$1::uuid')}
        cross join unnest($2::smallint[]) l(lane)
        cross join lateral (
          select id, source_id, event_id, type, account, livemode, api_version, created_at, received_at, due_at from source_events
           where client_id = $1 and lane = l.lane and due_at <= now()
           order by due_at, id limit $3 for update skip locked) e
         left join source_event_bodies b on b.client_id = $1 and b.source_event_id = e.id) claimed
      where before < $4`,
    [clientId, lanes, limit, LANE_BYTES],
  )
  return { sourceEvents: rows.map(sourceEventOf), areInterrupted: rows[0]?.areInterrupted ?? false }
}

/** Locks and reads one source event; none where it is not due, or locked by another transaction. */
export async function claimDueEvent(tx: Queryable, clientId: string, id: string): Promise<SourceEvent[]> {
  const { rows } = await tx.query<SourceEventRow>(
    `select e.id, e.source_id, e.event_id, e.type, e.account, e.livemode, e.api_version, e.created_at, e.received_at, b.body
       from ${factLockSql('$1::uuid')}
      cross join lateral (
        select id, source_id, event_id, type, account, livemode, api_version, created_at, received_at from source_events
         where client_id = $1 and id = $2 and due_at <= now() for update skip locked) e
       left join source_event_bodies b on b.client_id = $1 and b.source_event_id = e.id`,
    [clientId, id],
  )
  return rows.map(sourceEventOf)
}

/** A row of `source_events` with its body. */
export interface SourceEventRow {
  id: string
  source_id: string
  event_id: string
  type: string
  account: string
  livemode: boolean
  api_version: string | null
  created_at: Date
  received_at: Date
  body: Buffer | null
  /** Where it is read to be looked at again. */
  reason_code?: string | null
}

/** Of a row of `source_events` with its `body`, the raw bytes; null: they are kept no longer. */
export const sourceEventOf = (row: SourceEventRow): SourceEvent => ({
  id: row.id,
  sourceId: row.source_id,
  eventId: row.event_id,
  type: row.type,
  account: row.account,
  livemode: row.livemode,
  apiVersion: row.api_version,
  createdAt: row.created_at,
  receivedAt: row.received_at,
  ...(row.reason_code === PROCESS_DIED ? { body: {}, isDeadly: true as const } : parseBody(row.body)),
})

function parseBody(bytes: Buffer | null): Pick<SourceEvent, 'body' | 'malformed'> {
  if (bytes === null) return { body: null }
  try {
    return readBody(JSON.parse(bytes.toString('utf8')))
  } catch {
    return { body: {}, malformed: 'The stored bytes are no JSON any more.' }
  }
}

/** Writes what became of the events of a batch. */
export async function saveOutcomes(
  tx: Queryable,
  clientId: string,
  outcomes: readonly SourceEventOutcome[],
): Promise<void> {
  await tx.query(
    `update source_events e
        set state = o.state, reason_code = o.code, reason_message = o.message, held_until = o.held_until,
            held_for = case when o.held_for is null then null else string_to_array(o.held_for, e'\\x1f') end,
            due_at = o.held_until
       from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[])
            o(id, state, code, message, held_until, held_for)
      where e.client_id = $1 and e.id = o.id`,
    [
      clientId,
      outcomes.map(({ id }) => id),
      outcomes.map(({ state }) => state),
      outcomes.map(({ code }) => code),
      outcomes.map(({ message }) => message),
      outcomes.map(({ heldUntil }) => heldUntil),
      outcomes.map(({ heldFor }) => heldFor?.join('\x1f') ?? null),
    ],
  )
}

/** Drops raw bytes that are not to be kept: of users who were deleted. */
export async function dropBodies(tx: Queryable, clientId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx.query('delete from source_event_bodies where client_id = $1 and source_event_id = any($2::uuid[])', [
    clientId,
    ids,
  ])
}

/** An observation with the id and the kind of its object. */
export interface EventObservation extends Observation {
  objectId: string | null
  kind: string
}

/** What the event shows of its object; an object of a `deleted` event is marked, since Stripe sends it as it was. */
export function observationOf(event: SourceEvent): EventObservation {
  const object = event.body?.data?.object ?? {}
  const isGone = event.type.endsWith('.deleted') && object.object !== 'subscription'
  return {
    eventId: event.eventId,
    type: event.type,
    created: Math.floor(event.createdAt.getTime() / 1000),
    object: isGone ? { ...object, deleted: true } : object,
    previous: event.body?.data?.previous_attributes ?? null,
    ...(event.body?.object === TIMER_BODY ? { isTimer: true as const } : {}),
    ...(event.asOf === undefined ? {} : { asOf: event.asOf }),
    objectId: isIdText(object.id) && object.id !== '' ? object.id : null,
    kind: typeof object.object === 'string' ? object.object : kindOfType(event.type),
  }
}

// Some recorded stubs carry no `object`; the type names it.
const kindOfType = (type: string) => {
  const family = type.slice(0, type.lastIndexOf('.'))
  return family === 'customer.subscription' ? 'subscription' : family
}
