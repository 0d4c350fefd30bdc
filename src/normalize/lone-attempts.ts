import type { Queryable } from '../database/db.ts'
import { firstRow } from '../database/rows.ts'
import type { LoneGate } from '../workers/lone-gate.ts'

// What was in work when a process died is tried alone (docs/adr/0038): what is marked then, and what the marks say.

/** A source event and the process that tries it alone. */
interface LoneAttempt {
  clientId: string
  sourceEventId: string
  processId: string
}

/** So many processes have to die while it is alone in work before a source event is what ends them. */
const DEADLY_DEATHS = 3

/** The due source events of interrupted lanes, `perLane` at most of each: those that were alone at a death come last. */
async function listSuspects(
  db: Queryable,
  clientId: string,
  { lanes, perLane }: { lanes: readonly number[]; perLane: number },
): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `select e.id from (select distinct lane from interrupted_lanes
                         where client_id = $1 and lane = any($2::smallint[])) l
      cross join lateral (
        select id, due_at, created_at from source_events
         where client_id = $1 and lane = l.lane and due_at <= now() order by due_at, id limit $3) e
       left join lone_attempts a on a.client_id = $1 and a.source_event_id = e.id
      order by coalesce(a.deaths, 0), a.process_id is not null, e.created_at, e.id`,
    [clientId, lanes, perLane],
  )
  return rows.map(({ id }) => id)
}

/** All that was due in these lanes has been tried alone. */
async function endInterruption(db: Queryable, clientId: string, lanes: readonly number[]): Promise<void> {
  await db.query('delete from interrupted_lanes where client_id = $1 and lane = any($2::smallint[])', [clientId, lanes])
}

/**
 * Marks a source event as alone in work in this process, and answers at how many deaths it was. A mark that another process has
 * left is one: it died before it could take it back.
 */
async function markLoneAttempt(db: Queryable, { clientId, sourceEventId, processId }: LoneAttempt): Promise<number> {
  const { rows } = await db.query<{ deaths: number }>(
    `insert into lone_attempts as a (client_id, source_event_id, process_id) values ($1, $2, $3)
     on conflict (client_id, source_event_id) do update
       set deaths = a.deaths + case when a.process_id <> excluded.process_id then 1 else 0 end,
           process_id = excluded.process_id
     returning deaths`,
    [clientId, sourceEventId, processId],
  )
  return firstRow(rows).deaths
}

/** The attempt has ended without an outcome, and this process lives. */
async function unmarkLoneAttempt(db: Queryable, { clientId, sourceEventId, processId }: LoneAttempt): Promise<void> {
  await db.query(
    'update lone_attempts set process_id = null where client_id = $1 and source_event_id = $2 and process_id = $3',
    [clientId, sourceEventId, processId],
  )
}

/** The source event has an outcome: nothing of its attempts is kept. */
export async function forgetLoneAttempts(db: Queryable, clientId: string, sourceEventId: string): Promise<void> {
  await db.query('delete from lone_attempts where client_id = $1 and source_event_id = $2', [clientId, sourceEventId])
}

/**
 * Tries the due events of interrupted lanes one at a time, with nothing else of this process in work. `attempt` brings one to its
 * outcome, `fail` one that was alone at three deaths; each is given the source event's id. Answers what they answer.
 */
export async function tryEachAlone<Result>(
  { db, gate }: { db: Queryable; gate: LoneGate },
  { clientId, lanes, perLane }: { clientId: string; lanes: readonly number[]; perLane: number },
  { attempt, fail }: { attempt: (id: string) => Promise<Result>; fail: (id: string) => Promise<Result> },
): Promise<Result[]> {
  const results: Result[] = []
  for (const sourceEventId of await listSuspects(db, clientId, { lanes, perLane })) {
    const lone = { clientId, sourceEventId, processId: gate.processId }
    const result = await gate.runAlone(async () => {
      const deaths = await markLoneAttempt(db, lone)
      try {
        return await (deaths < DEADLY_DEATHS ? attempt(sourceEventId) : fail(sourceEventId))
      } catch (error) {
        await unmarkLoneAttempt(db, lone)
        throw error
      }
    })
    results.push(result)
  }
  await endInterruption(db, clientId, lanes)
  return results
}
