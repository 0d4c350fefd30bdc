import type { Queryable } from '../database/db.ts'
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
  const { rows } = await tx.query(
    `insert into emissions (client_id, contract, key, event_id)
     select $1, k.* from unnest($2::text[], $3::text[], $4::uuid[]) k
     on conflict do nothing returning contract, key`,
    [
      clientId,
      [...first.values()].map((e) => e.contract),
      [...first.values()].map((e) => e.key),
      [...first.values()].map((e) => e.id),
    ],
  )
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

/** Stores new events, and apart from them their bodies, which are kept for a shorter time. */
export async function insertEvents(tx: Queryable, clientId: string, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return
  await tx.query(
    `with bodies as (
       insert into event_bodies (client_id, event_id, body)
       select $1, b.* from unnest($2::uuid[], $10::text[]) b
     )
     insert into events (client_id, id, source_event_id, contract, type, user_id, key, position, occurred_at)
     select $1, e.* from unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::smallint[],
                                $9::timestamptz[]) e`,
    [
      clientId,
      events.map(({ id }) => id),
      events.map(({ sourceEventId }) => sourceEventId),
      events.map(({ contract }) => contract),
      events.map(({ type }) => type),
      events.map(({ userId }) => userId),
      events.map(({ key }) => key),
      events.map(({ position }) => position),
      events.map(({ occurredAt }) => occurredAt),
      events.map(({ body }) => body),
    ],
  )
}
