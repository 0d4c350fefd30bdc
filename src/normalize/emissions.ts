import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import { realmName } from '../domain/realm.ts'
import type { NewEvent } from './new-events.ts'

/** Claims the business keys; answers the events that are the first with theirs. */
export async function claimBusinessKeys(
  tx: Queryable,
  clientId: string,
  events: readonly NewEvent[],
): Promise<Set<NewEvent>> {
  const first = new Map<string, NewEvent>()
  for (const event of events) {
    const key = `${event.contract} ${event.key}`
    if (!first.has(key)) first.set(key, event)
  }
  for (const key of await findToldBefore(tx, clientId, [...first.values()])) first.delete(key)
  if (first.size === 0) return new Set()
  const rows = await insertKeys(tx, [...first.values()])
  const claimed = new Set(rows.map(({ contract, key }) => `${contract} ${key}`))
  return new Set([...first].filter(([key]) => claimed.has(key)).map(([, event]) => event))
}

/**
 * Which of the events were made before accounts and modes were told apart: their key named neither then, and the source event
 * behind it is of the same account and mode, or kept no longer.
 */
async function findToldBefore(tx: Queryable, clientId: string, events: readonly NewEvent[]): Promise<string[]> {
  const older = events.flatMap(({ contract, key, keyBefore, realm }) =>
    keyBefore === null ? [] : [{ contract, key, keyBefore, realm }],
  )
  if (older.length === 0) return []
  const { rows } = await tx.query<{ contract: string; key: string; account: string | null; livemode: boolean | null }>(
    `select m.contract, m.key, s.account, s.livemode
       from emissions m
       left join events e on e.client_id = $1 and e.id = m.event_id
       left join source_events s on s.client_id = $1 and s.id = e.source_event_id
      where m.client_id = $1 and m.contract = any($2) and m.key = any($3)`,
    [clientId, [...new Set(older.map(({ contract }) => contract))], older.map(({ keyBefore }) => keyBefore)],
  )
  return older.flatMap(({ contract, key, keyBefore, realm }) =>
    rows.some(
      (row) =>
        row.contract === contract &&
        row.key === keyBefore &&
        (row.account === null || realmName({ account: row.account, livemode: row.livemode ?? true }) === realm),
    )
      ? [`${contract} ${key}`]
      : [],
  )
}

/** Which of these source events have made events before. */
export async function findTellers(
  tx: Queryable,
  clientId: string,
  sourceEventIds: readonly string[],
): Promise<Set<string>> {
  if (sourceEventIds.length === 0) return new Set()
  const { rows } = await tx.query<{ id: string }>(
    'select distinct source_event_id as id from events where client_id = $1 and source_event_id = any($2)',
    [clientId, sourceEventIds],
  )
  return new Set(rows.map(({ id }) => id))
}

/** Stores new events, and apart from them their bodies, which are kept for a shorter time. */
export async function insertEvents(tx: Queryable, events: readonly NewEvent[]): Promise<void> {
  await insertBodies(tx, events)
  await insertRowsOfEvents(tx, events)
}

const insertKeys = createRowInsert<NewEvent, { contract: string; key: string }>({
  name: 'normalize.emissions',
  table: 'emissions',
  columns: { client_id: (e) => e.clientId, contract: (e) => e.contract, key: (e) => e.key, event_id: (e) => e.id },
  end: 'on conflict do nothing returning contract, key',
})

const insertBodies = createRowInsert<NewEvent>({
  name: 'normalize.event_bodies',
  table: 'event_bodies',
  columns: { client_id: (e) => e.clientId, event_id: (e) => e.id, body: (e) => e.body },
})

const insertRowsOfEvents = createRowInsert<NewEvent>({
  name: 'normalize.events',
  table: 'events',
  columns: {
    client_id: (e) => e.clientId,
    id: (e) => e.id,
    source_event_id: (e) => e.sourceEventId,
    contract: (e) => e.contract,
    type: (e) => e.type,
    user_id: (e) => e.userId,
    key: (e) => e.key,
    position: (e) => e.position,
    occurred_at: (e) => e.occurredAt,
  },
})
