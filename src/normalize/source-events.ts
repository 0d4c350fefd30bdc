import { createClientStatement } from '../database/client-statement.ts'
import type { Queryable } from '../database/db.ts'
import { TIMER_BODY } from '../domain/event-origin.ts'
import { isIdText } from '../language/unreadable.ts'
import { PROCESS_DIED } from './outcomes.ts'
import { readBody, type SourceEvent, type SourceEventOutcome } from './source-event.ts'
import type { Observation } from './world/snapshots.ts'

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

const runOutcomes = createClientStatement({
  name: 'normalize.save_outcomes',
  text: (tie) => `
    update source_events e
       set state = o.state, reason_code = o.code, reason_message = o.message, held_until = o.held_until,
           held_for = case when o.held_for is null then null else string_to_array(o.held_for, e'\\x1f') end,
           due_at = o.held_until
      from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[])
           o(client_id, id, state, code, message, held_until, held_for)
     where e.client_id = o.client_id and e.id = o.id ${tie('e.client_id')}`,
})

/** What became of a source event, and whose it is. */
export type ClientOutcome = SourceEventOutcome & { clientId: string }

/** Writes what became of the events of a batch. */
export async function saveOutcomes(tx: Queryable, outcomes: readonly ClientOutcome[]): Promise<void> {
  const clientIds = outcomes.map(({ clientId }) => clientId)
  await runOutcomes(tx, clientIds, [
    clientIds,
    outcomes.map(({ id }) => id),
    outcomes.map(({ state }) => state),
    outcomes.map(({ code }) => code),
    outcomes.map(({ message }) => message),
    outcomes.map(({ heldUntil }) => heldUntil),
    outcomes.map(({ heldFor }) => heldFor?.join('\x1f') ?? null),
  ])
}

const runDropBodies = createClientStatement({
  name: 'normalize.drop_bodies',
  text: (tie) => `
    delete from source_event_bodies b using unnest($1::uuid[], $2::uuid[]) w(client_id, id)
     where b.client_id = w.client_id and b.source_event_id = w.id ${tie('b.client_id')}`,
})

/** Drops raw bytes that are not to be kept: of users who were deleted. */
export async function dropBodies(tx: Queryable, events: readonly { clientId: string; id: string }[]): Promise<void> {
  if (events.length === 0) return
  const clientIds = events.map(({ clientId }) => clientId)
  await runDropBodies(tx, clientIds, [clientIds, events.map(({ id }) => id)])
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
