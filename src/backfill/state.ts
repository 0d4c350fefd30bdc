import { queryAnsweringNodes } from '../database/away-nodes.ts'
import { createClientStatement } from '../database/client-statement.ts'
import type { Queryable } from '../database/db.ts'
import type { Routing } from '../domain/routing.ts'

/** A running backfill, and the credentials for its calls. */
export interface Backfill {
  clientId: string
  id: string
  sourceId: string
  account: string
  until: Date
  types: string[] | null
  deliverySuccess: boolean | null
  readUntil: Date
  failures: number
  /** Encrypted; null: the source has none (any more). */
  apiKey: string | null
  apiVersion: string | null
  /** How the source routes its events to clients; null: they are all its client's. */
  routing: Routing | null
}

/** How many events of one type were listed, and how many of these were known before, new, and refused by the database. */
export interface EventCounts {
  listed: number
  known: number
  new: number
  refused: number
}

const selectDue = createClientStatement<Backfill>({
  name: 'backfill.due',
  text: (tie) => `
    select b.client_id as "clientId", b.id, b.source_id as "sourceId", b.account, b.until, b.types,
           b.delivery_success as "deliverySuccess", b.read_until as "readUntil", b.failures,
           s.api_key as "apiKey", s.api_version as "apiVersion", s.routing
      from backfills b left join sources s on s.client_id = b.client_id and s.id = b.source_id
     where b.client_id = any($1::uuid[]) and b.state = 'running' and b.next_attempt_at <= now() ${tie('b.client_id')}`,
})

/** Finds the running backfills of clients of one group that are due. */
export async function findDueBackfills(db: Queryable, clientIds: readonly string[]): Promise<Backfill[]> {
  return (await selectDue(db, clientIds, [clientIds])).rows
}

/** Lists the clients that have a running backfill. */
export async function listClientsWithBackfills(db: Queryable): Promise<string[]> {
  const { rows } = await queryAnsweringNodes<{ id: string }>(
    db,
    (whose) => `select distinct client_id as id from backfills where state = 'running' and ${whose}`,
  )
  return rows.map(({ id }) => id)
}

const selectNextTimes = createClientStatement<{ clientId: string; next: Date }>({
  name: 'backfill.next_due',
  text: (tie) => `
    select client_id as "clientId", min(next_attempt_at) as next from backfills
     where client_id = any($1::uuid[]) and state = 'running' ${tie('client_id')} group by client_id`,
})

/** When the next backfill of each of these clients of one group is due, in milliseconds; of the others none runs. */
export async function nextBackfillTimes(
  db: Queryable,
  clientIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await selectNextTimes(db, clientIds, [clientIds])
  return new Map(rows.map(({ clientId, next }) => [clientId, next.getTime()]))
}

/** Records that everything created before `readUntil` is stored. False: it was cancelled meanwhile, and must not go on. */
export async function advanceBackfill(
  db: Queryable,
  { clientId, id }: Pick<Backfill, 'clientId' | 'id'>,
  readUntil: Date,
  counts: Readonly<Record<string, EventCounts>>,
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update backfills b
        set read_until = $3, failures = 0, reason_code = null, reason_message = null,
            counts = b.counts || n.counts
       from (select coalesce(jsonb_object_agg(c.type, jsonb_build_object(
                       'listed', c.listed + coalesce((o.counts -> c.type ->> 'listed')::int, 0),
                       'known', c.known + coalesce((o.counts -> c.type ->> 'known')::int, 0),
                       'new', c.new + coalesce((o.counts -> c.type ->> 'new')::int, 0),
                       'refused', c.refused + coalesce((o.counts -> c.type ->> 'refused')::int, 0))), '{}') as counts
               from backfills o
              cross join unnest($4::text[], $5::int[], $6::int[], $7::int[], $8::int[]) c(type, listed, known, new, refused)
              where o.client_id = $1 and o.id = $2) n
      where b.client_id = $1 and b.id = $2 and b.state = 'running'`,
    [clientId, id, readUntil, Object.keys(counts), ...countColumns(Object.values(counts))],
  )
  return rowCount === 1
}

const countColumns = (counts: readonly EventCounts[]) => [
  counts.map(({ listed }) => listed),
  counts.map(({ known }) => known),
  counts.map((count) => count.new),
  counts.map(({ refused }) => refused),
]

/** Ends a backfill that has read everything. */
export async function completeBackfill(
  db: Queryable,
  { clientId, id }: Pick<Backfill, 'clientId' | 'id'>,
): Promise<void> {
  await db.query(
    `update backfills set state = 'completed', read_until = until, next_attempt_at = null, finished_at = now()
      where client_id = $1 and id = $2 and state = 'running'`,
    [clientId, id],
  )
}

/** Records a failed call: the backfill goes on in so many seconds, or has failed (null). */
export async function recordFailedCall(
  db: Queryable,
  { clientId, id }: Pick<Backfill, 'clientId' | 'id'>,
  { code, message }: { code: string; message: string },
  seconds: number | null,
): Promise<void> {
  const nextState =
    seconds === null
      ? `state = 'failed', next_attempt_at = null, finished_at = now()`
      : 'next_attempt_at = now() + make_interval(secs => $5)'
  await db.query(
    `update backfills set failures = failures + 1, reason_code = $3, reason_message = $4, ${nextState}
      where client_id = $1 and id = $2 and state = 'running'`,
    [clientId, id, code, message, ...(seconds === null ? [] : [seconds])],
  )
}
