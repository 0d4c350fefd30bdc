import type { Queryable } from '../../database/db.ts'
import { realmName } from '../../domain/realm.ts'
import { keyWithoutOwner } from '../new-events.ts'
import type { SourceEvent } from '../source-event.ts'
import { type SourceEventRow, sourceEventOf } from '../source-events.ts'

/** One source event of the window as it is stored: what it was, and what it became. */
export interface WindowRow {
  sourceEvent: SourceEvent
  state: 'received' | 'normalized' | 'ignored' | 'held' | 'failed'
  code: string | null
  events: WindowEvent[]
}
export interface WindowEvent {
  id: string
  sourceEventId: string
  contract: string
  type: string
  key: string
  body: string
}

/** The event by today's business key: it was made, perhaps, before accounts and modes were told apart. */
function withRealm(event: WindowEvent, row: SourceEventRow): WindowEvent {
  const [owner, key] = [event.key.slice(0, event.key.indexOf(':')), keyWithoutOwner(event.key)]
  return owner === row.source_id ? { ...event, key: `${owner}${realmName(row)}:${key}` } : event
}

const PAGE_SIZE = 200

/** A client's source events received in between, in the order of receipt, page by page. */
export async function* readPages(
  db: Queryable,
  clientId: string,
  { floor, ceiling }: { floor: string; ceiling: string },
): AsyncGenerator<WindowRow[]> {
  // The smallest id of the window stands before its first event.
  for (let after = floor; ; ) {
    const { rows } = await db.query(
      `select e.id, e.source_id, e.event_id, e.type, e.account, e.livemode, e.api_version, e.created_at, e.received_at, e.state,
              e.reason_code, b.body
         from source_events e
         left join source_event_bodies b on b.client_id = $1 and b.source_event_id = e.id and b.source_event_id >= $2
        where e.client_id = $1 and e.id > $3 and e.id <= $4 order by e.id limit ${PAGE_SIZE}`,
      [clientId, floor, after, ceiling],
    )
    if (rows.length === 0) return
    const { rows: events } = await db.query<WindowEvent>(
      `select e.id, e.source_event_id as "sourceEventId", e.contract, e.type, e.key, b.body from events e
         join event_bodies b on b.client_id = $1 and b.event_id = e.id and b.event_id >= $3
        where e.client_id = $1 and e.source_event_id = any($2) and e.id >= $3 order by e.id`,
      [clientId, rows.map(({ id }) => id), floor],
    )
    yield rows.map((row) => ({
      sourceEvent: sourceEventOf(row),
      state: row.state,
      code: row.reason_code,
      events: events.filter(({ sourceEventId }) => sourceEventId === row.id).map((event) => withRealm(event, row)),
    }))
    after = rows.at(-1).id
  }
}
