import { createClientStatement } from '../../database/client-statement.ts'
import type { Queryable } from '../../database/db.ts'
import { PENDING_FLOOR } from '../../database/pending-floor.ts'
import { firstRow } from '../../database/rows.ts'
import { idBounds } from './id-bounds.ts'
import { type OldestPending, readFromOldestPending } from './oldest-pending.ts'

/** A delivery that is due: what an attempt needs of its row. */
export interface DueDelivery {
  clientId: string
  id: string
  eventId: string
  eventType: string
  origin: string
  /** Attempts made so far. */
  attempts: number
  /** Those of them that used up nothing of the schedule. */
  excused: number
  /** Read as the first of its user that waits: one that was not may have others before it. */
  isFirstOfUser: boolean
  /** When its reading began, in milliseconds of `performance.now()`: rows that waited long are looked at again. */
  readAt: number
  /** Its number among those that its queue has read. */
  readOrder: number
}

/** A position in the order of an endpoint's first attempts or retries, (next_attempt_at, id), exact to the microsecond. */
export interface QueuePosition {
  at: string
  id: string
}
export const QUEUE_START: QueuePosition = { at: '-infinity', id: '00000000-0000-0000-0000-000000000000' }

/** What to read of one endpoint, first attempts or retries: at most `limit` rows after `after`. */
export interface DueQuery {
  clientId: string
  endpointId: string
  areRetries: boolean
  after: QueuePosition
  limit: number
  /** Nothing is known of the endpoint yet. */
  isNew: boolean
}

/** What was read: `last` is the position of the last row, `isComplete` says that no row is left after it. */
export interface DueResult {
  rows: DueDelivery[]
  last: QueuePosition
  isComplete: boolean
  /** The endpoint is disabled or deleted. */
  isClosed: boolean
  /** Of a new endpoint: how many attempts may be requested at once. One, where it has an open breaker or a rate limit. */
  startsWhileUnknown: number | null
  /** The database's time of the reading, exact to the microsecond. */
  asOf: string
}

/**
 * The due deliveries of several endpoints, for each query in its own order and after its own position. The endpoints' clients are of
 * one group (src/database/client-groups.ts). One statement, and another one where the pending floor was lowered since the last.
 */
export const readDueDeliveries = (
  db: Queryable,
  queries: readonly DueQuery[],
  oldestPending: OldestPending,
): Promise<DueResult[]> =>
  readFromOldestPending(oldestPending, async (from) => {
    const readAt = performance.now()
    const { rows } = await selectDueRows(
      db,
      queries.map(({ clientId }) => clientId),
      [...columnsOf(queries), from],
    )
    const [, , , , , , , , , , , floor] = firstRow(rows)
    return { floor, found: groupByQuery(queries, rows, readAt) }
  })

const columnsOf = (queries: readonly DueQuery[]) => [
  queries.map(({ clientId }) => clientId),
  queries.map(({ endpointId }) => endpointId),
  queries.map(({ areRetries }) => areRetries),
  queries.map(({ after }) => after.at),
  queries.map(({ after }) => after.id),
  queries.map(({ limit }) => limit),
  queries.map(({ isNew }) => isNew),
]

/** A row of the statement, as an array: it is read for every attempt. `id` is null where nothing is due. */
type DueRow = [
  asOf: string,
  query: number,
  isClosed: boolean,
  startsWhileUnknown: number | null,
  id: string | null,
  eventId: string,
  eventType: string,
  origin: string,
  attempts: number,
  excused: number,
  nextAttemptAt: string,
  pendingFloor: string,
  isOrdered: boolean,
]

// Each query by itself (`offset 0`): no plan, made of whatever statistics, walks through the rows of all clients.
const selectDueRows = createClientStatement<DueRow>({
  name: 'deliver.due',
  rowMode: 'array',
  text: (tie) => `
    select now()::text, w.query::int, e.id is null or e.status = 'disabled' or e.deleted_at is not null,
           case when w.is_new then
             case when e.rate_limit is null and (
               select h.opened_at from endpoint_health h
                where h.client_id = w.client_id and h.endpoint_id = w.endpoint_id ${tie('h.client_id')}) is null
             then e.max_in_flight else 1 end end,
           d.id, d.event_id, d.event_type, d.origin, d.attempts, d.excused,
           d.next_attempt_at::text, ${PENDING_FLOOR}, e.ordering = 'user'
      from unnest($1::uuid[], $2::uuid[], $3::bool[], $4::timestamptz[], $5::uuid[], $6::int[], $7::bool[])
           with ordinality as w(client_id, endpoint_id, retries, at, id, row_limit, is_new, query)
      left join lateral (
        select id, status, deleted_at, rate_limit, max_in_flight, ordering from endpoints
         where client_id = w.client_id and id = w.endpoint_id offset 0) e on true
      left join lateral (
        (select id, event_id, event_type, origin, attempts, excused, next_attempt_at from deliveries d
          where e.ordering is distinct from 'user' and d.client_id = w.client_id and d.endpoint_id = w.endpoint_id
            and d.state = 'pending' and (d.attempts > 0) = w.retries and d.event_id >= $8
            and d.next_attempt_at <= now() and (d.next_attempt_at, d.id) > (w.at, w.id) ${tie('d.client_id')}
          order by d.next_attempt_at, d.id
          limit w.row_limit)
        union all
        -- In order of each user: only the first that is pending may be sent, whatever the others' times say.
        (select h.* from (
           select distinct on (coalesce(user_id, id)) id, event_id, event_type, origin, attempts, excused, next_attempt_at
             from deliveries d
            where d.client_id = w.client_id and d.endpoint_id = w.endpoint_id and d.state = 'pending' and d.event_id >= $8
                  ${tie('d.client_id')}
            order by coalesce(user_id, id), event_id, id) h
          where e.ordering = 'user' and (h.attempts > 0) = w.retries
            and h.next_attempt_at <= now() and (h.next_attempt_at, h.id) > (w.at, w.id)
          order by h.next_attempt_at, h.id
          limit w.row_limit)) d on true`,
})

function groupByQuery(queries: readonly DueQuery[], rows: DueRow[], readAt: number): DueResult[] {
  const byQuery = Map.groupBy(rows, ([, query]) => query)
  return queries.map(({ clientId, after, limit }, at): DueResult => {
    const found = byQuery.get(at + 1) ?? []
    const [asOf, , isClosed, startsWhileUnknown] = firstRow(found)
    const result: DueResult = { rows: [], last: after, isComplete: true, isClosed, startsWhileUnknown, asOf }
    for (const row of found) {
      const [, , , , id, eventId, eventType, origin, attempts, excused, nextAttemptAt, , isFirstOfUser] = row
      if (id === null) continue
      const known = { clientId, id, eventId, eventType, origin, attempts, excused, isFirstOfUser, readAt, readOrder: 0 }
      result.rows.push(known)
      result.last = { at: nextAttemptAt, id }
    }
    result.isComplete = result.rows.length < limit
    return result
  })
}

/** Those of `deliveries` that are still pending, by their ids. One statement. */
export async function findStillPending(db: Queryable, deliveries: readonly DueDelivery[]): Promise<Set<string>> {
  const clients = deliveries.map(({ clientId }) => clientId)
  const events = deliveries.map(({ eventId }) => eventId)
  const ids = deliveries.map(({ id }) => id)
  const { rows } = await selectStillPending(db, clients, [clients, events, ids, ...idBounds(events)])
  return new Set(rows.map(({ id }) => id))
}

const selectStillPending = createClientStatement<{ id: string }>({
  name: 'deliver.pending',
  text: (tie) => `
    select r.id from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as r(client_id, event_id, id)
     cross join lateral (
       select from deliveries d
        where d.client_id = r.client_id and d.event_id = r.event_id and d.id = r.id and d.state = 'pending'
          and d.event_id between $4 and $5 ${tie('d.client_id')} offset 0) d`,
})
