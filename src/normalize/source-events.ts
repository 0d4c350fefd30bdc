import type { Queryable } from '../database/db.ts'
import { TIMER_BODY } from '../domain/event-origin.ts'
import { factLockSql } from './missing/holds.ts'
import type { SourceEvent, SourceEventOutcome } from './source-event.ts'
import type { Observation } from './world/snapshots.ts'

/**
 * Locks and reads the due events of some lanes of a client, oldest first, `limit` at most per lane; what another
 * transaction has locked is passed over.
 */
export async function claimDueEvents(
  tx: Queryable,
  clientId: string,
  lanes: readonly number[],
  limit: number,
): Promise<SourceEvent[]> {
  const { rows } = await tx.query(
    `select e.id, e.source_id, e.event_id, e.type, e.account, e.api_version, e.created_at, e.received_at, b.body
       from ${factLockSql('$1::uuid')}
      cross join unnest($2::smallint[]) l(lane)
      cross join lateral (
        select id, source_id, event_id, type, account, api_version, created_at, received_at from source_events
         where client_id = $1 and lane = l.lane and due_at <= now()
         order by due_at, id limit $3 for update skip locked) e
       left join source_event_bodies b on b.client_id = $1 and b.source_event_id = e.id`,
    [clientId, lanes, limit],
  )
  return rows.map(sourceEventOf)
}

/** Of a row of `source_events` with its `body`, the raw bytes; null: they are kept no longer. */
export const sourceEventOf = (row: any): SourceEvent => ({
  id: row.id,
  sourceId: row.source_id,
  eventId: row.event_id,
  type: row.type,
  account: row.account,
  apiVersion: row.api_version,
  createdAt: row.created_at,
  receivedAt: row.received_at,
  body: row.body === null ? null : JSON.parse(row.body.toString('utf8')),
})

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

/** The event as a sight of its object; an object of a `deleted` event is marked, since Stripe sends it as it was. */
export function observationOf(due: SourceEvent): Observation & { objectId: string | null; kind: string } {
  const object = due.body?.data?.object ?? {}
  const gone = due.type.endsWith('.deleted') && object.object !== 'subscription'
  return {
    eventId: due.eventId,
    type: due.type,
    created: Math.floor(due.createdAt.getTime() / 1000),
    object: gone ? { ...object, deleted: true } : object,
    previous: due.body?.data?.previous_attributes ?? null,
    ...(due.body?.object === TIMER_BODY ? { isTimer: true as const } : {}),
    ...(due.asOf === undefined ? {} : { asOf: due.asOf }),
    objectId: typeof object.id === 'string' ? object.id : null,
    kind: typeof object.object === 'string' ? object.object : kindOfType(due.type),
  }
}

// Some recorded stubs carry no `object`; the type names it.
const kindOfType = (type: string) => {
  const family = type.slice(0, type.lastIndexOf('.'))
  return family === 'customer.subscription' ? 'subscription' : family
}
