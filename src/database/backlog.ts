import type { Queryable } from './db.ts'
import { queryEachClient } from './each-client.ts'
import { readPendingFloor } from './pending-floor.ts'

/** The longest overdue item of a client, or of one of its endpoints. */
export interface OldestWaiting {
  clientId: string
  at: Date
  seconds: number
}

/** The longest overdue source event of each client that has one; `lanes` is the number of lanes of each client. */
export const readOldestSourceEvents = (db: Queryable, lanes: number): Promise<OldestWaiting[]> =>
  queryEachClient<OldestWaiting>(
    db,
    (client) => `
      select ${client} as "clientId", min(s.due_at) as at, extract(epoch from now() - min(s.due_at))::float8 as seconds
        from generate_series(0, $1 - 1) lane
       cross join lateral (
         select due_at from source_events
          where client_id = ${client} and source_events.lane = lane.lane and due_at <= now()
          order by due_at limit 1) s
      having count(*) > 0`,
    [lanes],
  )

/** A source event that nobody has taken up for a minute since it was due, while later ones got through. */
export interface StuckSourceEvent extends OldestWaiting {
  id: string
  sourceId: string
  type: string
}

const STUCK_SECONDS = 60
/** So many are looked at: the first of each lane, and the first that are `received`, whatever their lane. */
const FIRST = 50
/** Whether others move is seen by the newest of each client that is done, and by those right after the one that waits. */
const NEIGHBOURS = 500

/**
 * The source events that wait for a minute since they were due while later ones, of whichever client, got through: received, or held
 * beyond the deadline. Of each lane the 50 that wait longest are looked at, and the 50 oldest `received` of each client.
 */
export async function readStuckSourceEvents(db: Queryable, lanes: number): Promise<StuckSourceEvent[]> {
  const rows = await queryEachClient<Omit<StuckSourceEvent, 'id'> & { id: string | null; newestDone: string | null }>(
    db,
    (client) => `
      select ${client} as "clientId", s.id, s.source_id as "sourceId", s.type, s.due_at as at, s.done as "newestDone",
             extract(epoch from now() - s.due_at)::float8 as seconds
        from (select waiting.*, null::uuid as done from generate_series(0, $1 - 1) lane
               cross join lateral (
                 select id, source_id, type, due_at from source_events
                  where client_id = ${client} and source_events.lane = lane.lane
                    and due_at < now() - interval '${STUCK_SECONDS} seconds'
                  order by due_at, id limit ${FIRST}) waiting
              union
              select id, source_id, type, due_at, null from (
                select id, source_id, type, due_at from source_events
                 where client_id = ${client} and state = 'received' order by id limit ${FIRST}) oldest
               where due_at < now() - interval '${STUCK_SECONDS} seconds'
              union all
              (select null, null, null, null, id from (
                 select id, due_at from source_events where client_id = ${client} order by id desc limit ${NEIGHBOURS}) newest
                where due_at is null order by id desc limit 1)
              union all
              (select null, null, null, null, id from (
                 select id, due_at from source_events
                  where client_id = ${client} and id > (
                    select id from source_events where client_id = ${client} and state = 'received' order by id limit 1)
                  order by id limit ${NEIGHBOURS}) after
                where due_at is null order by id desc limit 1)) s`,
    [lanes],
  )
  const newest = rows.reduce(
    (last, { newestDone }) => (newestDone !== null && newestDone > last ? newestDone : last),
    '',
  )
  return rows.flatMap(({ newestDone: _, id, ...one }) => (id !== null && id < newest ? [{ ...one, id }] : []))
}

/** The longest overdue delivery of an endpoint, and whether there is a reason for it. */
export interface OldestDelivery extends OldestWaiting {
  endpointId: string
  contract: string
  /** Its circuit breaker is open: the endpoint is known to fail. */
  isOpen: boolean
}

/**
 * The longest overdue delivery of each enabled endpoint that has one. With `ordering: user` only the first delivery of each
 * user counts: the others wait for it, whatever their times say.
 */
export const readOldestDeliveries = async (db: Queryable): Promise<OldestDelivery[]> =>
  queryEachClient<OldestDelivery>(
    db,
    (client) => `
      select e.client_id as "clientId", e.id as "endpointId", e.contract, h.opened_at is not null as "isOpen", d.at,
             extract(epoch from now() - d.at)::float8 as seconds
        from endpoints e
        left join endpoint_health h on h.client_id = ${client} and h.endpoint_id = e.id
       cross join lateral (
         select min(at) as at from (
           select one.at from (values (false), (true)) kind(retries)
            cross join lateral (
              select next_attempt_at as at from deliveries
               where e.ordering <> 'user' and client_id = ${client} and endpoint_id = e.id and state = 'pending'
                 and (attempts > 0) = retries and next_attempt_at <= now() and event_id >= $1
               order by next_attempt_at limit 1) one
            union all
           select first.at from (
             select distinct on (coalesce(user_id, id)) next_attempt_at as at from deliveries
              where e.ordering = 'user' and client_id = ${client} and endpoint_id = e.id and state = 'pending'
                and event_id >= $1
              order by coalesce(user_id, id), event_id, id) first
            where first.at <= now()) due) d
       where e.client_id = ${client} and e.deleted_at is null and e.status = 'enabled' and d.at is not null`,
    [await readPendingFloor(db)],
  )
