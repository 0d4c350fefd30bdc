import { createClientStatement } from '../database/client-statement.ts'
import type { Queryable } from '../database/db.ts'
import { createRowInsert } from '../database/insert-rows.ts'
import { firstRow } from '../database/rows.ts'
import type { LanesOfClients } from './claim-events.ts'
import { inLockOrder } from './lock-order.ts'

// What was in work when a process died is tried apart from all else (docs/adr/0038, 0049): what is marked then, and what the marks say.

/** A source event of a client. */
export interface EventOfClient {
  clientId: string
  id: string
}

/** A due source event of an interrupted lane. */
export interface Suspect extends EventOfClient {
  /** With how many it may be tried at most: 1 is alone. */
  among: number
  /** Of its body. */
  bytes: number
}

/** So many processes have to die while it is alone in work before a source event is what ends them. */
export const DEADLY_DEATHS = 3

/** How many are tried together at first, and what was among them at a death; what was in such a group at a death, too, is tried alone. */
const [GROUP, SMALL_GROUP] = [64, 8] as const

const runSuspects = createClientStatement<{ client_id: string; id: string; among: number; bytes: number }>({
  name: 'normalize.suspects',
  text: (tie) => `
    select l.client_id, e.id, e.bytes,
           case when a.process_id is not null or a.deaths > 0 or a.group_size <= ${SMALL_GROUP} then 1
                when a.group_size is not null then ${SMALL_GROUP} else ${GROUP} end as among
      from unnest($1::uuid[], $2::smallint[]) l(client_id, lane)
     cross join lateral (
       select s.id, s.created_at, coalesce(octet_length(b.body), 0) as bytes
         from (select s.id, s.created_at from source_events s
                where s.client_id = l.client_id and s.lane = l.lane and s.due_at <= now() ${tie('s.client_id')}
                order by s.due_at, s.id limit $3) s
         left join lateral (
           select b.body from source_event_bodies b
            where b.client_id = l.client_id and b.source_event_id = s.id ${tie('b.client_id')} offset 0) b on true) e
      left join lateral (
        select a.process_id, a.deaths, a.group_size from lone_attempts a
         where a.client_id = l.client_id and a.source_event_id = e.id ${tie('a.client_id')} offset 0) a on true
     where exists (select from interrupted_lanes i
                    where i.client_id = l.client_id and i.lane = l.lane ${tie('i.client_id')} offset 0)
     order by among desc, coalesce(a.deaths, 0), a.process_id is not null, e.created_at, e.id`,
})

const columnsOf = (lanesOfClients: LanesOfClients) => {
  const lanes = [...lanesOfClients].flatMap(([clientId, own]) => own.map((lane) => ({ clientId, lane })))
  return [lanes.map(({ clientId }) => clientId), lanes.map(({ lane }) => lane)]
}

/** The due source events of interrupted lanes, `perLane` at most of each: those that were in few at a death come last. */
export async function listSuspects(
  db: Queryable,
  lanesOfClients: LanesOfClients,
  perLane: number,
): Promise<readonly Suspect[]> {
  const { rows } = await runSuspects(db, lanesOfClients.keys(), [...columnsOf(lanesOfClients), perLane])
  return rows.map(({ client_id: clientId, ...row }) => ({ clientId, ...row }))
}

/** Bytes of a group: bodies are parsed into several times their size, and memory may be what ended the process. */
const GROUP_BYTES = 2 * 1024 * 1024

/** Groups in the order of the suspects, none larger than any of its members allows. */
export function groupSuspects(suspects: readonly Suspect[]): Suspect[][] {
  const groups: { most: number; bytes: number; members: Suspect[] }[] = []
  for (const suspect of suspects) {
    const last = groups.at(-1)
    const fits =
      last &&
      last.most === suspect.among &&
      last.members.length < last.most &&
      last.bytes + suspect.bytes <= GROUP_BYTES
    if (fits) {
      last.members.push(suspect)
      last.bytes += suspect.bytes
    } else groups.push({ most: suspect.among, bytes: suspect.bytes, members: [suspect] })
  }
  return groups.map(({ members }) => members)
}

const runEndInterruption = createClientStatement({
  name: 'normalize.end_interruption',
  text: (tie) => `
    delete from interrupted_lanes i using unnest($1::uuid[], $2::smallint[]) l(client_id, lane)
     where i.client_id = l.client_id and i.lane = l.lane ${tie('i.client_id')}`,
})

/** All that was due in these lanes has been tried. */
export async function endInterruption(db: Queryable, lanesOfClients: LanesOfClients): Promise<void> {
  await runEndInterruption(db, lanesOfClients.keys(), columnsOf(lanesOfClients))
}

/**
 * Marks a source event as alone in work in this process, and answers at how many deaths it was. A mark that another process has
 * left is one: it died before it could take it back.
 */
export async function markLoneAttempt(
  db: Queryable,
  { clientId, id, processId }: EventOfClient & { processId: string },
): Promise<number> {
  const { rows } = await db.query<{ deaths: number }>(
    `insert into lone_attempts as a (client_id, source_event_id, process_id) values ($1, $2, $3)
     on conflict (client_id, source_event_id) do update
       set deaths = a.deaths + case when a.process_id <> excluded.process_id then 1 else 0 end,
           process_id = excluded.process_id, group_process_id = null, group_size = null
     returning deaths`,
    [clientId, id, processId],
  )
  return firstRow(rows).deaths
}

const insertGroupMarks = createRowInsert<EventOfClient & { processId: string; size: number }>({
  name: 'normalize.group_marks',
  table: 'lone_attempts',
  columns: {
    client_id: ({ clientId }) => clientId,
    source_event_id: ({ id }) => id,
    group_process_id: ({ processId }) => processId,
    group_size: ({ size }) => size,
  },
  end: `on conflict (client_id, source_event_id) do update
          set group_process_id = excluded.group_process_id, group_size = excluded.group_size`,
})

/** Marks source events as in work together, and with nothing else, in this process. A death leaves the marks behind. */
export const markGroup = (db: Queryable, group: readonly EventOfClient[], processId: string): Promise<unknown> =>
  insertGroupMarks(
    db,
    inLockOrder(
      group.map(({ clientId, id }) => ({ clientId, id, processId, size: group.length })),
      ({ id }) => id,
    ),
  )

const runUnmark = createClientStatement({
  name: 'normalize.unmark_attempts',
  text: (tie) => `
    update lone_attempts a
       set process_id = case when a.process_id = $3 then null else a.process_id end,
           group_size = case when a.group_process_id = $3 then null else a.group_size end,
           group_process_id = case when a.group_process_id = $3 then null else a.group_process_id end
      from unnest($1::uuid[], $2::uuid[]) w(client_id, id)
     where a.client_id = w.client_id and a.source_event_id = w.id ${tie('a.client_id')}`,
})

const idColumns = (events: readonly EventOfClient[]) => [
  events.map(({ clientId }) => clientId),
  events.map(({ id }) => id),
]

/** The attempt has ended without an outcome, and this process lives. */
export async function unmarkAttempts(
  db: Queryable,
  events: readonly EventOfClient[],
  processId: string,
): Promise<void> {
  const [clientIds = [], ids = []] = idColumns(events)
  await runUnmark(db, clientIds, [clientIds, ids, processId])
}

const runForget = createClientStatement({
  name: 'normalize.forget_attempts',
  text: (tie) => `
    delete from lone_attempts a using unnest($1::uuid[], $2::uuid[]) w(client_id, id)
     where a.client_id = w.client_id and a.source_event_id = w.id ${tie('a.client_id')}`,
})

/** The source events have outcomes: nothing of their attempts is kept. */
export async function forgetAttempts(db: Queryable, events: readonly EventOfClient[]): Promise<void> {
  const [clientIds = [], ids = []] = idColumns(events)
  await runForget(db, clientIds, [clientIds, ids])
}
