import { randomUUID } from 'node:crypto'
import { flo } from '../../src/contracts/flo.ts'
import type { Db } from '../../src/database/db.ts'
import { DAILY_TABLES } from '../../src/database/partitions.ts'
import { idFloor } from '../../src/domain/ids.ts'
import { storedBody } from './delivering.ts'

const DAY_MS = 86_400_000
export const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS)

/** A UUIDv7 of that moment. */
export const idAt = (at: Date): string => `${idFloor(at).slice(0, 14)}7${randomUUID().slice(15)}`

/** Makes the partitions of that day, as they were made a week before it. */
export async function pastDay(db: Db, at: Date): Promise<void> {
  for (const parent of DAILY_TABLES)
    await db.query('select make_partition($1, $2)', [parent, at.toISOString().slice(0, 10)])
}

interface Told {
  clientId: string
  endpointId: string
  at: Date
  /** Of the source event. */
  sourceState?: 'normalized' | 'received'
  /** Of the delivery. */
  state?: 'delivered' | 'pending' | 'failed'
}

/** All that is left of an event that came in and was delivered then: each row as the rooms would have written it. */
export async function toldAt(
  db: Db,
  { clientId, endpointId, at, sourceState = 'normalized', state = 'delivered' }: Told,
) {
  const [sourceEventId, eventId, deliveryId] = [idAt(at), idAt(at), idAt(at)]
  const waits = sourceState === 'received'
  await db.query(
    `insert into source_events (client_id, id, source_id, livemode, event_id, type, lane, created_at, received_at, state, due_at)
     values ($1, $2::uuid, $1, true, $2::text, 'customer.subscription.created', 0, $3, $3, $4, case when $5 then now() + interval '1 hour' end)`,
    [clientId, sourceEventId, at, sourceState, waits],
  )
  await db.query(`insert into source_event_bodies (client_id, source_event_id, body) values ($1, $2, '{}')`, [
    clientId,
    sourceEventId,
  ])
  if (waits) return { sourceEventId, eventId, deliveryId }
  await db.query(
    `insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
     values ($1, $2::uuid, $3, $4, 'subscription.created', $2::text, $5)`,
    [clientId, eventId, sourceEventId, flo.name, at],
  )
  await db.query('insert into event_bodies (client_id, event_id, body) values ($1, $2, $3)', [
    clientId,
    eventId,
    storedBody(),
  ])
  await db.query('insert into emissions (client_id, contract, key, event_id) values ($1, $2, $3::text, $3::uuid)', [
    clientId,
    flo.name,
    eventId,
  ])
  await db.query(
    `insert into deliveries (client_id, event_id, id, endpoint_id, event_type, state, attempts, next_attempt_at, created_at, finished_at)
     values ($1, $2, $3, $4, 'subscription.created', $5, 1, case when $6 then now() + interval '1 hour' end, $7,
             case when not $6 then $7::timestamptz end)`,
    [clientId, eventId, deliveryId, endpointId, state, state === 'pending', at],
  )
  await db.query(
    `insert into attempts (client_id, event_id, delivery_id, number, started_at, duration_ms, status)
     values ($1, $2, $3, 1, $4, 12, $5)`,
    [clientId, eventId, deliveryId, at, state === 'delivered' ? 200 : 500],
  )
  return { sourceEventId, eventId, deliveryId }
}
