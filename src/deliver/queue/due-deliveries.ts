import type { Queryable } from '../../database/db.ts'
import { PENDING_FLOOR } from '../../database/pending-floor.ts'
import { firstRow } from '../../database/rows.ts'
import { idBounds } from './id-bounds.ts'
import { type OldestPending, readFromOldestPending } from './oldest-pending.ts'

/** A delivery that is due: what an attempt needs of its row. */
export interface DueDelivery {
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
 * The due deliveries of several endpoints of one client, for each query in its own order and after its own position. One
 * statement, and another one where the pending floor was lowered since the last.
 */
export const readDueDeliveries = (
  db: Queryable,
  clientId: string,
  queries: DueQuery[],
  oldestPending: OldestPending,
): Promise<DueResult[]> =>
  readFromOldestPending(oldestPending, async (from) => {
    const readAt = performance.now()
    const rows = await selectDueRows(db, clientId, queries, from)
    const [, , , , , , , , , , , floor] = firstRow(rows)
    return { floor, found: groupByQuery(queries, rows, readAt) }
  })

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

async function selectDueRows(db: Queryable, clientId: string, queries: DueQuery[], from: string): Promise<DueRow[]> {
  const { rows } = await db.query<DueRow>({
    name: 'deliver.due',
    rowMode: 'array',
    text: `select now()::text, w.query::int, e.id is null or e.status = 'disabled' or e.deleted_at is not null,
                  case when w.is_new then
                    case when e.rate_limit is null and not exists (
                      select from endpoint_health h
                       where h.client_id = $1 and h.endpoint_id = w.endpoint_id and h.opened_at is not null)
                    then e.max_in_flight else 1 end end,
                  d.id, d.event_id, d.event_type, d.origin, d.attempts, d.excused,
                  d.next_attempt_at::text, ${PENDING_FLOOR}, e.ordering = 'user'
             from unnest($2::uuid[], $3::bool[], $4::timestamptz[], $5::uuid[], $6::int[], $7::bool[])
                  with ordinality as w(endpoint_id, retries, at, id, row_limit, is_new, query)
             left join endpoints e on e.client_id = $1 and e.id = w.endpoint_id
             left join lateral (
               (select id, event_id, event_type, origin, attempts, excused, next_attempt_at from deliveries d
                 where e.ordering is distinct from 'user' and d.client_id = $1 and d.endpoint_id = w.endpoint_id
                   and d.state = 'pending' and (d.attempts > 0) = w.retries and d.event_id >= $8
                   and d.next_attempt_at <= now() and (d.next_attempt_at, d.id) > (w.at, w.id)
                 order by d.next_attempt_at, d.id
                 limit w.row_limit)
               union all
               -- In order of each user: only the first that is pending may be sent, whatever the others' times say.
               (select h.* from (
                  select distinct on (coalesce(user_id, id)) id, event_id, event_type, origin, attempts, excused, next_attempt_at
                    from deliveries where client_id = $1 and endpoint_id = w.endpoint_id and state = 'pending' and event_id >= $8
                   order by coalesce(user_id, id), event_id, id) h
                 where e.ordering = 'user' and (h.attempts > 0) = w.retries
                   and h.next_attempt_at <= now() and (h.next_attempt_at, h.id) > (w.at, w.id)
                 order by h.next_attempt_at, h.id
                 limit w.row_limit)) d on true`,
    values: [
      clientId,
      queries.map(({ endpointId }) => endpointId),
      queries.map(({ areRetries }) => areRetries),
      queries.map(({ after }) => after.at),
      queries.map(({ after }) => after.id),
      queries.map(({ limit }) => limit),
      queries.map(({ isNew }) => isNew),
      from,
    ],
  })
  return rows
}

function groupByQuery(queries: DueQuery[], rows: DueRow[], readAt: number): DueResult[] {
  const byQuery = Map.groupBy(rows, ([, query]) => query)
  return queries.map(({ after, limit }, at): DueResult => {
    const found = byQuery.get(at + 1) ?? []
    const [asOf, , isClosed, startsWhileUnknown] = firstRow(found)
    const result: DueResult = { rows: [], last: after, isComplete: true, isClosed, startsWhileUnknown, asOf }
    for (const row of found) {
      const [, , , , id, eventId, eventType, origin, attempts, excused, nextAttemptAt, , isFirstOfUser] = row
      if (id === null) continue
      result.rows.push({ id, eventId, eventType, origin, attempts, excused, isFirstOfUser, readAt, readOrder: 0 })
      result.last = { at: nextAttemptAt, id }
    }
    result.isComplete = result.rows.length < limit
    return result
  })
}

/** Those of `deliveries` that are still pending. One statement. */
export async function findStillPending(
  db: Queryable,
  clientId: string,
  deliveries: DueDelivery[],
): Promise<Set<string>> {
  const events = deliveries.map(({ eventId }) => eventId)
  const ids = deliveries.map(({ id }) => id)
  const { rows } = await db.query<{ id: string }>({
    name: 'deliver.pending',
    text: `select d.id from unnest($2::uuid[], $3::uuid[]) as r(event_id, id)
             join deliveries d on d.client_id = $1 and d.event_id = r.event_id and d.id = r.id
            where d.state = 'pending' and d.event_id between $4 and $5 and d.id between $6 and $7`,
    values: [clientId, events, ids, ...idBounds(events), ...idBounds(ids)],
  })
  return new Set(rows.map(({ id }) => id))
}
