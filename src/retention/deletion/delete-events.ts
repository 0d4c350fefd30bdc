import type { Tx } from '../../database/db.ts'

/** What identifies an event among those that are deleted. */
export interface DoomedEvent {
  id: string
  contract: string
  key: string
}

/** Deletes events with their bodies, deliveries, attempts and business keys. Answers how many rows that were. */
export async function deleteEvents(tx: Tx, clientId: string, events: readonly DoomedEvent[]): Promise<number> {
  if (events.length === 0) return 0
  const ids = events.map(({ id }) => id)
  let deleted = 0
  const statements: [sql: string, values: unknown[]][] = [
    ['delete from attempts where client_id = $1 and event_id = any($2::uuid[])', [clientId, ids]],
    ['delete from deliveries where client_id = $1 and event_id = any($2::uuid[])', [clientId, ids]],
    ['delete from event_bodies where client_id = $1 and event_id = any($2::uuid[])', [clientId, ids]],
    [
      `delete from emissions where client_id = $1 and event_id = any($4::uuid[])
          and (contract, key) in (select * from unnest($2::text[], $3::text[]))`,
      [clientId, events.map(({ contract }) => contract), events.map(({ key }) => key), ids],
    ],
    ['delete from events where client_id = $1 and id = any($2::uuid[])', [clientId, ids]],
  ]
  for (const [sql, values] of statements) deleted += (await tx.query(sql, values)).rowCount ?? 0
  return deleted
}

/** The events that were made of these source events. */
export async function findEventsMadeOf(
  tx: Pick<Tx, 'query'>,
  clientId: string,
  sourceEventIds: readonly string[],
): Promise<(DoomedEvent & { userId: string | null })[]> {
  const { rows } = await tx.query<DoomedEvent & { userId: string | null }>(
    `select id, contract, key, user_id as "userId" from events where client_id = $1 and source_event_id = any($2::uuid[])`,
    [clientId, sourceEventIds],
  )
  return rows
}
