import { createClientStatement } from '../../database/client-statement.ts'
import type { Queryable } from '../../database/db.ts'
import { queryEachClient } from '../../database/each-client.ts'
import { PENDING_FLOOR } from '../../database/pending-floor.ts'
import { firstRow } from '../../database/rows.ts'
import { type OldestPending, readFromOldestPending } from './oldest-pending.ts'

/** An endpoint and the seconds until its next delivery is due, by the database's clock; 0 or less: now. */
export interface NextDue {
  clientId: string
  endpointId: string
  seconds: number
}

/** Found by a sweep; `hiddenEventId`: the event of a delivery that the floor would hide, null as it should be. */
export interface SweptEndpoint extends NextDue {
  hiddenEventId: string | null
}

// Of endpoint `e` of a client: the first that is due of its first attempts and of its retries, which are in order each by
// themselves. Here and in `deliver.next` both ends are given as rows of the index `deliveries_due`, in whose order it is: of what is equal to a client and to an
// endpoint, which are not independent, a plan expects less than one row, and reads and sorts all that is due.
const firstDueSql = (client: string, within: string, narrow: string) => `
  select next_attempt_at, event_id from (values (false), (true)) kind(retries)
   cross join lateral (
     select next_attempt_at, event_id from deliveries
      where state = 'pending'
        and (client_id, endpoint_id, (attempts > 0), next_attempt_at) >= (${client}, e.id, retries, '-infinity'::timestamptz)
        and (client_id, endpoint_id, (attempts > 0)) <= (${client}, e.id, retries) ${narrow}
      order by client_id, endpoint_id, (attempts > 0), next_attempt_at, id limit 1) one
   where next_attempt_at <= now() + make_interval(secs => ${within})
   order by next_attempt_at limit 1`

const SECONDS_UNTIL_DUE = 'extract(epoch from d.next_attempt_at - now())::float8 as seconds'

// In the order of the index of what is pending: in no other one the first could be found without reading through what was delivered.
const FIRST_PENDING = 'order by client_id, endpoint_id, (attempts > 0), next_attempt_at limit 1'
// One step for each client that has any: the thousands that wait for nothing are not looked at.
const CLIENTS_WITH_PENDING = `
  with recursive pending(id) as (
    (select client_id from deliveries where state = 'pending' ${FIRST_PENDING})
    union all
    select (select client_id from deliveries where state = 'pending' and client_id > pending.id ${FIRST_PENDING})
      from pending where pending.id is not null)
  select id from pending where id is not null`

/** The endpoints, of all clients, whose next delivery is due within so many seconds. Looks through all partitions. */
export const sweepDueEndpoints = (db: Queryable, withinSeconds: number): Promise<SweptEndpoint[]> =>
  queryEachClient<SweptEndpoint>(
    db,
    (client, tie) => `
      select e.client_id as "clientId", e.id as "endpointId", ${SECONDS_UNTIL_DUE},
             case when d.event_id < ${PENDING_FLOOR} then d.event_id end as "hiddenEventId"
        from endpoints e cross join lateral (${firstDueSql(client, '$1', tie('client_id'))}) d
       where e.client_id = ${client}`,
    [withinSeconds],
    { passOverAway: true, candidates: CLIENTS_WITH_PENDING },
  )

/** The endpoints of these clients whose next delivery is due within so many seconds. */
export const findDueEndpoints = (
  db: Queryable,
  clientIds: readonly string[],
  withinSeconds: number,
  oldestPending: OldestPending,
): Promise<NextDue[]> =>
  readFromOldestPending(oldestPending, async (from) => {
    const { rows } = await selectDueEndpoints(db, clientIds, [clientIds, withinSeconds, from])
    return splitOldestPending(rows)
  })

const selectDueEndpoints = createClientStatement<NextDue & { floor: string }>({
  name: 'deliver.discover',
  text: (tie) => `
    select f.floor, d.* from (select ${PENDING_FLOOR} as floor) f
      left join lateral (
        select w.client_id as "clientId", e.id as "endpointId", ${SECONDS_UNTIL_DUE}
          from unnest($1::uuid[]) w(client_id)
         cross join lateral (select id from endpoints where client_id = w.client_id offset 0) e
         cross join lateral (${firstDueSql('w.client_id', '$2', `and event_id >= $3 ${tie('client_id')}`)}) d) d on true`,
})

/** Of one endpoint, first attempts or retries: up to where in time they were read (`DueResult.asOf`). */
export interface ReadQueue {
  clientId: string
  endpointId: string
  areRetries: boolean
  asOf: string
}

/** Seconds until the first delivery that comes due after what was read of each queue. */
export const findNextDue = (
  db: Queryable,
  queues: readonly ReadQueue[],
  oldestPending: OldestPending,
): Promise<NextDue[]> =>
  readFromOldestPending(oldestPending, async (from) => {
    const clientIds = queues.map(({ clientId }) => clientId)
    const { rows } = await selectNextDue(db, clientIds, [
      clientIds,
      queues.map(({ endpointId }) => endpointId),
      queues.map(({ areRetries }) => areRetries),
      queues.map(({ asOf }) => asOf),
      from,
    ])
    return splitOldestPending(rows)
  })

const selectNextDue = createClientStatement<NextDue & { floor: string }>({
  name: 'deliver.next',
  text: (tie) => `
    select f.floor, d.* from (select ${PENDING_FLOOR} as floor) f
      left join lateral (
        select r.client_id as "clientId", r.endpoint_id as "endpointId", ${SECONDS_UNTIL_DUE}
          from unnest($1::uuid[], $2::uuid[], $3::bool[], $4::timestamptz[]) as r(client_id, endpoint_id, retries, as_of)
         cross join lateral (
           select next_attempt_at from deliveries d
            where d.state = 'pending'
              and (d.client_id, d.endpoint_id, (d.attempts > 0), d.next_attempt_at) > (r.client_id, r.endpoint_id, r.retries, r.as_of)
              and (d.client_id, d.endpoint_id, (d.attempts > 0)) <= (r.client_id, r.endpoint_id, r.retries)
              and d.event_id >= $5 ${tie('d.client_id')}
            order by d.client_id, d.endpoint_id, (d.attempts > 0), d.next_attempt_at, d.id limit 1) d) d on true`,
})

/** Where nothing is due there is one row, which holds only the floor. */
const splitOldestPending = (rows: (NextDue & { floor: string })[]) => ({
  floor: firstRow(rows).floor,
  found: rows.filter(({ endpointId }) => endpointId !== null),
})
