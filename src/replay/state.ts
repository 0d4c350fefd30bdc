import { queryAnsweringNodes } from '../database/away-nodes.ts'
import { createClientStatement } from '../database/client-statement.ts'
import type { Queryable } from '../database/db.ts'
import { firstRow } from '../database/rows.ts'
import type { ReplaySelection } from './select-events.ts'

/** A running replay. */
export interface Replay extends ReplaySelection {
  id: string
  /** How many events match; null: not counted yet. */
  found: number | null
  /** The id of the last event that was looked at. */
  reached: string
}

const COLUMNS = `r.client_id as "clientId", r.id, r.endpoint_id as "endpointId", r.mode, r.event_types as "eventTypes",
  r.created_at::text as "asOf", r.found, r.reached, r.upto`

const selectRunning = createClientStatement<Replay>({
  name: 'replay.running',
  text: (tie) =>
    `select ${COLUMNS} from replays r where r.client_id = any($1::uuid[]) and r.state = 'running' ${tie('r.client_id')}`,
})

/** Finds the running replays of clients of one group. */
export async function findRunningReplays(db: Queryable, clientIds: readonly string[]): Promise<Replay[]> {
  return (await selectRunning(db, clientIds, [clientIds])).rows
}

/** Lists the clients that have a running replay. */
export async function listClientsWithReplays(db: Queryable): Promise<string[]> {
  const { rows } = await queryAnsweringNodes<{ id: string }>(
    db,
    (whose) => `select distinct client_id as id from replays where state = 'running' and ${whose}`,
  )
  return rows.map(({ id }) => id)
}

type ReplayKey = Pick<Replay, 'clientId' | 'id'>

/** Reads the replay and its endpoint's status, and locks it until the transaction ends; undefined: it no longer runs. */
export async function lockReplay(
  tx: Queryable,
  { clientId, id }: ReplayKey,
): Promise<(Replay & { endpoint: 'enabled' | 'disabled' | 'deleted' }) | undefined> {
  const { rows } = await tx.query(
    `select ${COLUMNS}, case when p.id is null or p.deleted_at is not null then 'deleted' else p.status end as endpoint
       from replays r left join endpoints p on p.client_id = r.client_id and p.id = r.endpoint_id
      where r.client_id = $1 and r.id = $2 and r.state = 'running' for update of r`,
    [clientId, id],
  )
  return rows[0]
}

export async function isRunning(db: Queryable, { clientId, id }: ReplayKey): Promise<boolean> {
  const { rows } = await db.query(`select 1 from replays where client_id = $1 and id = $2 and state = 'running'`, [
    clientId,
    id,
  ])
  return rows.length > 0
}

/** Saves how many events are to be replayed (`found`), and how many match but are past their retention (`expired`). */
export async function saveCounts(
  db: Queryable,
  { clientId, id }: ReplayKey,
  { found, expired }: { found: number; expired: number },
): Promise<void> {
  await db.query(`update replays set found = $3, expired = $4 where client_id = $1 and id = $2 and state = 'running'`, [
    clientId,
    id,
    found,
    expired,
  ])
}

/** Records that `made` more deliveries are made, of the events up to `reached`. */
export async function advanceReplay(
  tx: Queryable,
  { clientId, id }: ReplayKey,
  reached: string,
  made: number,
): Promise<void> {
  await tx.query(`update replays set reached = $3, replayed = replayed + $4 where client_id = $1 and id = $2`, [
    clientId,
    id,
    reached,
    made,
  ])
}

/** Ends a replay that has made everything. What was counted and not made was delivered otherwise meanwhile, or has expired. */
export async function finishReplay(tx: Queryable, { clientId, id }: ReplayKey): Promise<void> {
  await tx.query(
    `update replays
        set state = 'done', finished_at = now(), found = greatest(found, replayed),
            skipped = greatest(found, replayed) - replayed
      where client_id = $1 and id = $2 and state = 'running'`,
    [clientId, id],
  )
}

/** Ends a replay that cannot go on. */
export async function failReplay(
  tx: Queryable,
  { clientId, id }: ReplayKey,
  { code, message }: { code: string; message: string },
): Promise<void> {
  await tx.query(
    `update replays set state = 'failed', reason_code = $3, reason_message = $4, finished_at = now()
      where client_id = $1 and id = $2 and state = 'running'`,
    [clientId, id, code, message],
  )
}

/** Counts its deliveries that are due at the endpoint, including those in flight, and those that wait for a retry. */
export async function countWaiting(
  db: Queryable,
  { clientId, id }: ReplayKey,
): Promise<{ due: number; later: number }> {
  const { rows } = await db.query<{ due: number; later: number }>({
    name: 'replay.waiting',
    // The comparison with the nil UUID lets any plan use the partial index of deliveries that the fan-out did not make.
    text: `select count(*) filter (where next_attempt_at <= now()) as due,
                  count(*) filter (where next_attempt_at > now()) as later
             from deliveries
            where client_id = $1 and origin = $2 and state = 'pending'
              and origin <> '00000000-0000-0000-0000-000000000000'`,
    values: [clientId, id],
  })
  return firstRow(rows)
}
