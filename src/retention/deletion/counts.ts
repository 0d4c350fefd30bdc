import type { Queryable } from '../../database/db.ts'
import type { LooksFor } from '../../database/deletions.ts'
import { firstRow } from '../../database/rows.ts'
import { tablesOfClient } from './client-steps.ts'

/** Rows by table, each counted up to COUNT_CAP. */
export type DeletionCounts = Record<string, number>

/** A count that has reached this says: so many or more. */
const COUNT_CAP = 100_000

/** Counts rows of one client, table by table, each by an index and no further than the cap. */
async function countRows(
  db: Queryable,
  from: Readonly<Record<string, string>>,
  values: readonly unknown[],
): Promise<DeletionCounts> {
  const columns = Object.entries(from).map(
    ([name, sql]) => `(select count(*)::int from (select 1 from ${sql} limit ${COUNT_CAP}) counted) as "${name}"`,
  )
  const { rows } = await db.query<DeletionCounts>(`select ${columns.join(', ')}`, [...values])
  return firstRow(rows)
}

/** What the deletion of a client takes. */
export function countRowsOfClient(db: Queryable, clientId: string): Promise<DeletionCounts> {
  const grown = Object.keys(tablesOfClient)
  const tables = ['api_keys', 'sources', 'endpoints', ...grown]
  return countRows(db, Object.fromEntries(tables.map((table) => [table, `${table} where client_id = $1`])), [clientId])
}

const EVENTS_OF_SOURCE = `source_events s join events e on e.client_id = $1 and e.source_event_id = s.id`

/** What the deletion of a source takes. */
export const countRowsOfSource = (db: Queryable, clientId: string, sourceId: string): Promise<DeletionCounts> =>
  countRows(
    db,
    {
      source_events: 'source_events where client_id = $1 and source_id = $2',
      source_event_bodies: `source_events s join source_event_bodies b on b.client_id = $1 and b.source_event_id = s.id
        where s.client_id = $1 and s.source_id = $2`,
      events: `${EVENTS_OF_SOURCE} where s.client_id = $1 and s.source_id = $2`,
      deliveries: `${EVENTS_OF_SOURCE} join deliveries d on d.client_id = $1 and d.event_id = e.id
        where s.client_id = $1 and s.source_id = $2`,
      ...Object.fromEntries(
        ['objects', 'hydrations', 'invoice_dues', 'holds', 'backfills'].map((table) => [
          table,
          `${table} where client_id = $1 and source_id = $2`,
        ]),
      ),
    },
    [clientId, sourceId],
  )

/** What the deletion of a user takes, but for payloads that led to no event: these are found by reading them. */
export const countRowsOfUser = (
  db: Queryable,
  clientId: string,
  userId: string,
  { customers, clientUserId }: LooksFor,
): Promise<DeletionCounts> =>
  countRows(
    db,
    {
      events: 'events where client_id = $1 and user_id = $2',
      source_event_bodies: `(select distinct source_event_id from events where client_id = $1 and user_id = $2) e
        join source_event_bodies b on b.client_id = $1 and b.source_event_id = e.source_event_id`,
      deliveries: `events e join deliveries d on d.client_id = $1 and d.event_id = e.id
        where e.client_id = $1 and e.user_id = $2`,
      attempts: `events e join attempts a on a.client_id = $1 and a.event_id = e.id
        where e.client_id = $1 and e.user_id = $2`,
      objects: 'objects where client_id = $1 and customer_id = any($3::text[])',
      checkouts: 'checkouts where client_id = $1 and client_user_id = $4',
      user_customers: 'user_customers where client_id = $1 and user_id = $2',
    },
    [clientId, userId, customers, clientUserId],
  )

/** What the expunging of a payload takes. */
export const countRowsOfPayload = (
  db: Queryable,
  clientId: string,
  { sourceEventId, eventIds }: { sourceEventId: string | null; eventIds: readonly string[] },
): Promise<DeletionCounts> =>
  countRows(
    db,
    {
      source_event_bodies: 'source_event_bodies where client_id = $1 and source_event_id = $2',
      event_bodies: 'event_bodies where client_id = $1 and event_id = any($3::uuid[])',
      deliveries: `deliveries where client_id = $1 and event_id = any($3::uuid[]) and state = 'pending'`,
      attempts: 'attempts where client_id = $1 and event_id = any($3::uuid[])',
    },
    [clientId, sourceEventId, eventIds],
  )
