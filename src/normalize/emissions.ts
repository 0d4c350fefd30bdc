import { createClientStatement } from '../database/client-statement.ts'
import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import { realmName } from '../domain/realm.ts'
import { inLockOrder } from './lock-order.ts'
import type { NewEvent } from './new-events.ts'

/** The business key of an event among those of all clients. */
const nameOf = ({ clientId, contract, key }: Pick<NewEvent, 'clientId' | 'contract' | 'key'>) =>
  `${clientId} ${contract} ${key}`

/** Claims the business keys; answers the events that are the first with theirs. */
export async function claimBusinessKeys(tx: Queryable, events: readonly NewEvent[]): Promise<Set<NewEvent>> {
  const first = new Map<string, NewEvent>()
  for (const event of events) if (!first.has(nameOf(event))) first.set(nameOf(event), event)
  for (const told of await findToldBefore(tx, [...first.values()])) first.delete(nameOf(told))
  if (first.size === 0) return new Set()
  const rows = await insertKeys(
    tx,
    inLockOrder([...first.values()], ({ contract, key }) => `${contract} ${key}`),
  )
  const claimed = new Set(rows.map(({ client_id: clientId, contract, key }) => nameOf({ clientId, contract, key })))
  return new Set([...first].filter(([name]) => claimed.has(name)).map(([, event]) => event))
}

interface EmissionRow {
  client_id: string
  contract: string
  key: string
  account: string | null
  livemode: boolean | null
}

const runToldBefore = createClientStatement<EmissionRow>({
  name: 'normalize.told_before',
  text: (tie) => `
    select m.* from unnest($1::uuid[], $2::text[], $3::text[]) w(client_id, contract, key)
     cross join lateral (
       select m.client_id, m.contract, m.key, s.account, s.livemode
         from emissions m
         left join events e on e.client_id = m.client_id and e.id = m.event_id ${tie('e.client_id')}
         left join source_events s on s.client_id = e.client_id and s.id = e.source_event_id ${tie('s.client_id')}
        where m.client_id = w.client_id and m.contract = w.contract and m.key = w.key ${tie('m.client_id')} offset 0) m`,
})

/**
 * Which of the events were made before accounts and modes were told apart: their key named neither then, and the source event
 * behind it is of the same account and mode, or kept no longer.
 */
async function findToldBefore(tx: Queryable, events: readonly NewEvent[]): Promise<NewEvent[]> {
  const older = events.filter(({ keyBefore }) => keyBefore !== null)
  if (older.length === 0) return []
  const clientIds = older.map(({ clientId }) => clientId)
  const { rows } = await runToldBefore(tx, clientIds, [
    clientIds,
    older.map(({ contract }) => contract),
    older.map(({ keyBefore }) => keyBefore),
  ])
  const told = Map.groupBy(rows, ({ client_id: clientId, contract, key }) => nameOf({ clientId, contract, key }))
  return older.filter(({ clientId, contract, keyBefore, realm }) =>
    told
      .get(nameOf({ clientId, contract, key: keyBefore ?? '' }))
      ?.some(
        ({ account, livemode }) => account === null || realmName({ account, livemode: livemode ?? true }) === realm,
      ),
  )
}

const runTellers = createClientStatement<{ id: string }>({
  name: 'normalize.tellers',
  text: (tie) => `
    select w.id from unnest($1::uuid[], $2::uuid[]) w(client_id, id)
     where exists (select from events e
                    where e.client_id = w.client_id and e.source_event_id = w.id ${tie('e.client_id')} offset 0)`,
})

/** Which of these source events have made events before. */
export async function findTellers(
  tx: Queryable,
  sourceEvents: readonly { clientId: string; id: string }[],
): Promise<Set<string>> {
  if (sourceEvents.length === 0) return new Set()
  const clientIds = sourceEvents.map(({ clientId }) => clientId)
  const { rows } = await runTellers(tx, clientIds, [clientIds, sourceEvents.map(({ id }) => id)])
  return new Set(rows.map(({ id }) => id))
}

/** Stores new events, and apart from them their bodies, which are kept for a shorter time. */
export async function insertEvents(tx: Queryable, events: readonly NewEvent[]): Promise<void> {
  await insertBodies(tx, events)
  await insertRowsOfEvents(tx, events)
}

const insertKeys = createRowInsert<NewEvent, { client_id: string; contract: string; key: string }>({
  name: 'normalize.emissions',
  table: 'emissions',
  columns: { client_id: (e) => e.clientId, contract: (e) => e.contract, key: (e) => e.key, event_id: (e) => e.id },
  end: 'on conflict do nothing returning client_id, contract, key',
  isSentAtOnce: true,
})

const insertBodies = createRowInsert<NewEvent>({
  name: 'normalize.event_bodies',
  table: 'event_bodies',
  columns: { client_id: (e) => e.clientId, event_id: (e) => e.id, body: (e) => e.body },
  isSentAtOnce: true,
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
  isSentAtOnce: true,
})
