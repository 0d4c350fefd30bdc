import type { Queryable } from '../../database/db.ts'
import type { Json } from '../../domain/json.ts'
import { idInRealm } from '../../domain/realm.ts'

/** What is expunged: a source event with all that was made of it, or an event that no source sent. */
export interface ExpungedSubject {
  sourceEventId: string | null
  eventIds: readonly string[]
}

/** What the payload with this id is a copy of, or has copies in; null: nothing has the id. */
export async function findExpungedSubject(
  db: Queryable,
  clientId: string,
  subjectId: string,
): Promise<ExpungedSubject | null> {
  const { rows } = await db.query<{ id: string }>(
    `select id from source_events where client_id = $1 and id = $2
      union all select source_event_id from events where client_id = $1 and id = $2`,
    [clientId, subjectId],
  )
  const found = rows[0]?.id
  if (found === undefined) return null
  const { rows: sourceEvents } = await db.query('select 1 from source_events where client_id = $1 and id = $2', [
    clientId,
    found,
  ])
  if (sourceEvents.length === 0) return { sourceEventId: null, eventIds: [subjectId] }
  const { rows: events } = await db.query<{ id: string }>(
    'select id from events where client_id = $1 and source_event_id = $2',
    [clientId, found],
  )
  return { sourceEventId: found, eventIds: events.map(({ id }) => id) }
}

/**
 * Takes the payload and its copies out: raw and normalised bodies, what receivers answered, what is remembered and was fetched
 * of it. What waits to be sent is cancelled, what waits to be normalised is ignored; other states, and all ids, stay. Answers the
 * rows that changed, by table.
 */
export async function expungePayload(
  tx: Queryable,
  clientId: string,
  { sourceEventId, eventIds }: ExpungedSubject,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const change = async (name: string, sql: string, values: unknown[]) => {
    counts[name] = (counts[name] ?? 0) + ((await tx.query(sql, values)).rowCount ?? 0)
  }
  if (sourceEventId !== null) {
    await expungeRemembered(tx, clientId, sourceEventId, change)
    await change(
      'source_event_bodies',
      'delete from source_event_bodies where client_id = $1 and source_event_id = $2',
      [clientId, sourceEventId],
    )
    await tx.query(
      `update source_events
          set state = case when cardinality($3::uuid[]) > 0 then 'normalized' else 'ignored' end, reason_code = 'expunged', reason_message = 'Its payload was expunged on request.',
              held_until = null, held_for = null, due_at = null
        where client_id = $1 and id = $2 and state in ('received', 'held')`,
      [clientId, sourceEventId, eventIds],
    )
  }
  await change('event_bodies', 'delete from event_bodies where client_id = $1 and event_id = any($2::uuid[])', [
    clientId,
    eventIds,
  ])
  await change(
    'deliveries',
    `update deliveries set state = 'cancelled', reason = 'expunged', next_attempt_at = null, finished_at = now()
      where client_id = $1 and event_id = any($2::uuid[]) and state = 'pending'`,
    [clientId, eventIds],
  )
  await change(
    'attempts',
    `update attempts set response_headers = null, response_body = null
      where client_id = $1 and event_id = any($2::uuid[]) and (response_headers is not null or response_body is not null)`,
    [clientId, eventIds],
  )
  return counts
}

type ChangeRows = (name: string, sql: string, values: unknown[]) => Promise<void>

/** The observation that the source event was, in what is remembered of its object; and what was fetched for it. */
async function expungeRemembered(tx: Queryable, clientId: string, id: string, change: ChangeRows): Promise<void> {
  const { rows } = await tx.query<SourceEventRow>(
    `select e.source_id as "sourceId", e.event_id as "eventId", e.account, e.livemode, b.body
       from source_events e join source_event_bodies b on b.client_id = $1 and b.source_event_id = $2
      where e.client_id = $1 and e.id = $2`,
    [clientId, id],
  )
  const [row] = rows
  if (!row) return
  const objectId = objectIdOf(row.body)
  const { sourceId } = row
  await change(
    'hydrations',
    `delete from hydrations where client_id = $1 and source_id = $2 and split_part(need, ':', 2) = any($3::text[])`,
    [clientId, sourceId, [row.eventId, objectId]],
  )
  if (objectId === null) return
  const key = idInRealm(row, objectId)
  const { rows: objects } = await tx.query<{ snapshot: StoredSnapshot }>(
    'select snapshot from objects where client_id = $1 and source_id = $2 and object_id = $3 for update',
    [clientId, sourceId, key],
  )
  const snapshot = objects[0]?.snapshot
  if (!snapshot) return
  const without = withoutObservation(snapshot, row.eventId)
  const values = [clientId, sourceId, key]
  if (without === null)
    await change('objects', 'delete from objects where client_id = $1 and source_id = $2 and object_id = $3', values)
  else if (without !== snapshot)
    await change(
      'objects',
      'update objects set snapshot = $4 where client_id = $1 and source_id = $2 and object_id = $3',
      [...values, JSON.stringify(without)],
    )
}

interface SourceEventRow {
  sourceId: string
  eventId: string
  account: string
  livemode: boolean
  body: Buffer
}

/** As src/normalize/world/snapshots.ts packs it. */
interface StoredSnapshot {
  object?: Json
  tied: { eventId: string }[]
  base: { eventId: string }[]
}

/** What was known without the event: null where that is nothing. The same where the event is no part of it. */
function withoutObservation(snapshot: StoredSnapshot, eventId: string): StoredSnapshot | null {
  const isOther = (observation: { eventId: string }) => observation.eventId !== eventId
  const [tied, base] = [snapshot.tied.filter(isOther), snapshot.base.filter(isOther)]
  if (tied.length === snapshot.tied.length && base.length === snapshot.base.length) return snapshot
  if (tied.length > 0) return { tied, base }
  return base.length > 0 ? { tied: base, base: [] } : null
}

function objectIdOf(body: Buffer): string | null {
  try {
    const id = JSON.parse(body.toString('utf8'))?.data?.object?.id
    return typeof id === 'string' && id !== '' ? id : null
  } catch {
    return null
  }
}
