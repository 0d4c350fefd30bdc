import type { Queryable } from '../database/db.ts'
import { keptConditionOf } from '../database/deletions.ts'
import { readHorizons } from '../database/retention-horizons.ts'
import { idFloor, NO_SOURCE_EVENT } from '../domain/ids.ts'

export type ReplayMode = 'failed' | 'missing' | 'all'

/** Which events of a client a replay selects. */
export interface ReplaySelection {
  clientId: string
  endpointId: string
  mode: ReplayMode
  /** Event types and families (`invoice.*`); null: all that the endpoint subscribes to. */
  eventTypes: string[] | null
  /** An event id: this one and later ones are left out. */
  upto: string
  /** A time by the database's clock: what failed later is left out, so that a replay does not repeat its own failures. Null: now. */
  asOf: string | null
}

/** Some of the matching events, in the order they were made. */
export interface SelectedEvents {
  events: MatchingEvent[]
  /** How many others match, but have bodies that are past their retention. */
  expired: number
  /** Where to go on. */
  reached: string
  /** There was nothing after that. */
  isComplete: boolean
}

export interface MatchingEvent {
  id: string
  type: string
  userId: string | null
  /** The event's pending deliveries to the endpoint. */
  pending: string[]
}

const EVENTS_SQL =
  'select id from events where client_id = $1 and $2::uuid is not null and id > $3 and id < $4 order by id limit $5'
const KEPT_EVENTS = keptConditionOf('events', '$1::uuid')

/** The next events to look at. Failed deliveries may be few among many events, and have an index of their own. */
const pageSql: Readonly<Record<ReplayMode, string>> = {
  failed: `select event_id as id from deliveries
    where client_id = $1 and endpoint_id = $2 and state in ('failed', 'skipped') and event_id > $3 and event_id < $4
    order by event_id limit $5`,
  missing: EVENTS_SQL,
  all: EVENTS_SQL,
}

/** Whether an event matches, by its deliveries to the endpoint. Cancelled ones do not count: they were replaced, or their replay was cancelled. */
const matchSql: Readonly<Record<ReplayMode, string>> = {
  failed: 'd.lost > d.delivered',
  missing: 'not d.tried',
  all: 'true',
}

const takesTypeSql = (types: string) =>
  `(${types} is null or e.type = any(${types}) or split_part(e.type, '.', 1) || '.*' = any(${types}))`

// Ordering by origin makes the planner use the one index that finds an event's deliveries to an endpoint. Without it, and
// without statistics of the client, it would scan all deliveries of the endpoint for each event.
const matchingEventsSql = (mode: ReplayMode) => `
  select p.id, e.type, e.user_id as "userId", d.pending,
         exists (select from event_bodies
                  where client_id = $1 and event_id = p.id and event_id between $4 and $5) and p.id >= $9 as kept
    from unnest($3::uuid[]) with ordinality p(id, at)
   cross join lateral (select contract, event_types from endpoints where client_id = $1 and id = $2 limit 1) t
   cross join lateral (
     select contract, type, user_id, source_event_id from events t
      where client_id = $1 and id = p.id and id between $4 and $5 and ${KEPT_EVENTS} limit 1) e
   cross join lateral (
     select coalesce(bool_or(state in ('pending', 'delivered', 'failed')), false) as tried,
            coalesce(max(finished_at) filter (where state = 'delivered'), '-infinity') as delivered,
            max(finished_at) filter (where state in ('failed', 'skipped') and finished_at <= coalesce($7, now())) as lost,
            coalesce(array_agg(id) filter (where state = 'pending'), '{}') as pending
       from (select id, state, finished_at from deliveries
              where client_id = $1 and event_id = p.id and event_id between $4 and $5 and endpoint_id = $2
              order by origin limit 10000) every) d
   where e.contract = t.contract and e.source_event_id <> '${NO_SOURCE_EVENT}'
     and ${takesTypeSql('t.event_types')} and ${takesTypeSql('$6::text[]')} and ${matchSql[mode]}
   order by p.at
   limit $8`

/**
 * Looks at up to `scanLimit` events after the id `after`, selects those that match, and stops at `limit`. The endpoint's
 * contract and filter are those of now. Test events never match; events with bodies past their retention are only counted.
 * Runs three statements.
 */
export async function selectEvents(
  db: Queryable,
  { clientId, endpointId, mode, eventTypes, upto, asOf }: ReplaySelection,
  { after, scanLimit, limit }: { after: string; scanLimit: number; limit: number },
): Promise<SelectedEvents> {
  const page = await db.query<{ id: string }>(pageSql[mode], [clientId, endpointId, after, upto, scanLimit])
  const ids = [...new Set(page.rows.map(({ id }) => id))]
  const [first, last] = [ids[0], ids.at(-1)]
  if (first === undefined || last === undefined) return { events: [], expired: 0, reached: after, isComplete: true }
  const { payload } = await readHorizons(db)
  const { rows } = await db.query<MatchingEvent & { kept: boolean }>(matchingEventsSql(mode), [
    clientId,
    endpointId,
    ids,
    first,
    last,
    eventTypes,
    asOf,
    limit,
    idFloor(payload),
  ])
  const events = rows.filter(({ kept }) => kept)
  const expired = rows.length - events.length
  const lastMatch = rows.at(-1)
  if (lastMatch && rows.length === limit) return { events, expired, reached: lastMatch.id, isComplete: false }
  // An empty page would be too late: where events arrive all the time, there is never one.
  return { events, expired, reached: last, isComplete: page.rows.length < scanLimit }
}
