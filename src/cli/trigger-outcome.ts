import { setTimeout as delay } from 'node:timers/promises'
import type { Queryable } from '../database/db.ts'
import { OPERATOR_CLIENT } from '../domain/ids.ts'

/** What became of one Stripe event, as far as it has come. */
export interface TriggerOutcome {
  eventId: string
  type: string
  state: string
  reason: string | null
  /** The client that a source which routes gave it to; null: nobody, or the source belongs to one. */
  client: string | null
  events: { id: string; contract: string; type: string; deliveries: TriggeredDelivery[] }[]
}
interface TriggeredDelivery {
  url: string
  state: string
  attempts: number
  reason: string | null
}

/**
 * What became of these Stripe events, in their order: asked again and again until all are settled and each of their
 * deliveries was tried, or `waitMs` have passed.
 */
export async function awaitOutcomes(
  db: Queryable,
  source: { id: string; clientId: string },
  eventIds: readonly string[],
  { waitMs }: { waitMs: number },
): Promise<TriggerOutcome[]> {
  const deadline = performance.now() + waitMs
  for (;;) {
    const outcomes = await readOutcomes(db, source, eventIds)
    if (outcomes.length === eventIds.length && outcomes.every(isSettled)) return outcomes
    if (performance.now() > deadline) return outcomes
    await delay(100)
  }
}

/** Nothing more happens to it by itself, but for retries. */
export const isSettled = ({ state, events }: TriggerOutcome): boolean =>
  !['received', 'held'].includes(state) &&
  events.every(({ deliveries }) => deliveries.every((one) => one.state !== 'pending' || one.attempts > 0))

/** An event of a source that routes is where it has been given to, or with the operator. */
async function readOutcomes(db: Queryable, source: { id: string; clientId: string }, eventIds: readonly string[]) {
  const outcomes: TriggerOutcome[] = []
  for (const clientId of await listOwners(db, source, eventIds))
    outcomes.push(...(await readClientOutcomes(db, { ...source, clientId }, eventIds)))
  return outcomes.sort((a, b) => eventIds.indexOf(a.eventId) - eventIds.indexOf(b.eventId))
}

async function listOwners(
  db: Queryable,
  source: { id: string; clientId: string },
  eventIds: readonly string[],
): Promise<string[]> {
  if (source.clientId !== OPERATOR_CLIENT) return [source.clientId]
  const { rows } = await db.query<{ id: string }>(
    `select distinct target_id as id from routings
      where client_id = $1 and source_id = $2 and event_id = any($3::text[]) and target_id is not null`,
    [OPERATOR_CLIENT, source.id, eventIds],
  )
  return [OPERATOR_CLIENT, ...rows.map(({ id }) => id)]
}

async function readClientOutcomes(
  db: Queryable,
  source: { id: string; clientId: string },
  eventIds: readonly string[],
) {
  const { rows } = await db.query<TriggerOutcome>(
    `select s.event_id as "eventId", s.type, s.state, coalesce(s.reason_message, array_to_string(s.held_for, ', ')) as reason,
       (select c.name from clients c join sources src on src.id = $2 and src.routing is not null
         where c.id = $1 and c.id <> src.client_id) as client,
       coalesce((
         select json_agg(json_build_object('id', e.id, 'contract', e.contract, 'type', e.type, 'deliveries', (
           select coalesce(json_agg(json_build_object('url', p.url, 'state', d.state, 'attempts', d.attempts, 'reason', d.reason) order by d.id), '[]')
           from deliveries d join endpoints p on p.client_id = d.client_id and p.id = d.endpoint_id
           where d.client_id = $1 and d.event_id = e.id
         )) order by e.position, e.id)
         from events e where e.client_id = $1 and e.source_event_id = s.id
       ), '[]') as events
     from source_events s
     where s.client_id = $1 and s.source_id = $2 and s.event_id = any($3::text[])
     order by array_position($3::text[], s.event_id)`,
    [source.clientId, source.id, eventIds],
  )
  return rows
}
