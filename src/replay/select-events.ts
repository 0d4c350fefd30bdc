import type { Queryable } from '../database/db.ts'
import { readHorizons } from '../database/retention-horizons.ts'
import { idFloor, NO_SOURCE_EVENT } from '../domain/ids.ts'

export type ReplayMode = 'failed' | 'missing' | 'all'

/** Which events of a client a replay is about. */
export interface ReplaySelection {
  clientId: string
  endpointId: string
  mode: ReplayMode
  /** Names and families; null: all that the endpoint takes. */
  eventTypes: string[] | null
  /** An event id: those from it on are left out. */
  upto: string
  /** A time of the database: what failed later is left out, so that a replay does not follow itself. Null: now. */
  asOf: string | null
}

/** Some of these events, in the order they were made. */
export interface SelectedEvents {
  events: MatchingEvent[]
  /** Others that would fit, but for their bodies, which are past their retention. */
  expired: number
  /** Where the next look goes on. */
  reached: string
  /** Nothing was left behind that place. */
  isComplete: boolean
}

export interface MatchingEvent {
  id: string
  type: string
  userId: string | null
  /** Deliveries of the event that still wait at the endpoint. */
  pending: string[]
}

const EVENTS_SQL =
  'select id from events where client_id = $1 and $2::uuid is not null and id > $3 and id < $4 order by id limit $5'

/** The events to be judged. Of the failed, there may be few among many events: they have an index of their own. */
const pageSql: Readonly<Record<ReplayMode, string>> = {
  failed: `select event_id as id from deliveries
    where client_id = $1 and endpoint_id = $2 and state in ('failed', 'skipped') and event_id > $3 and event_id < $4
    order by event_id limit $5`,
  missing: EVENTS_SQL,
  all: EVENTS_SQL,
}

/** Whether an event fits, by its deliveries to the endpoint. Cancelled ones say nothing: another took their place, or their replay was given up. */
const matchSql: Readonly<Record<ReplayMode, string>> = {
  failed: 'd.lost > d.delivered',
  missing: 'not d.tried',
  all: 'true',
}

const takesTypeSql = (types: string) =>
  `(${types} is null or e.type = any(${types}) or split_part(e.type, '.', 1) || '.*' = any(${types}))`

// The order by origin is that of the one index that finds an event's deliveries to an endpoint: of a client that the
// statistics do not know yet, the planner would else look through all deliveries of the endpoint, for each event.
const matchingEventsSql = (mode: ReplayMode) => `
  select p.id, e.type, e.user_id as "userId", d.pending,
         exists (select from event_bodies
                  where client_id = $1 and event_id = p.id and event_id between $4 and $5) and p.id >= $9 as kept
    from unnest($3::uuid[]) with ordinality p(id, at)
   cross join lateral (select contract, event_types from endpoints where client_id = $1 and id = $2 limit 1) t
   cross join lateral (
     select contract, type, user_id, source_event_id from events
      where client_id = $1 and id = p.id and id between $4 and $5 limit 1) e
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
 * Looks at up to `scanLimit` events behind the id `after` for those that are to be replayed, and stops when it has `limit`. The
 * endpoint's contract and filter are judged as they are now; a test event is never found, and of one whose body is past its
 * retention only that there is one. Three statements.
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
  if (rows.length === limit) return { events, expired, reached: rows.at(-1)!.id, isComplete: false }
  // Not "until nothing comes": where events come all the time, that would be never.
  return { events, expired, reached: last, isComplete: page.rows.length < scanLimit }
}
