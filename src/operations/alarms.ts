import type { Queryable } from '../database/db.ts'
import { firstRow } from '../database/rows.ts'

/** A condition that goes on. `type` is that of its operational event, `subject` what of the client it is about. */
export interface Alarm {
  clientId: string
  type: string
  subject: string
}

/**
 * Raises an alarm. Returns since when it goes on if it is new: there was none, or it had been quiet for `quietSeconds`; else null.
 * One statement, so that only one of two concurrent callers finds it new.
 */
export async function raiseAlarm(
  tx: Queryable,
  { clientId, type, subject }: Alarm,
  quietSeconds: number | null = null,
): Promise<Date | null> {
  const { rows } = await tx.query<{ since: Date; isNew: boolean }>(
    `insert into alarms as a (client_id, type, subject) values ($1, $2, $3)
     on conflict (client_id, type, subject) do update
        set since = case when excluded.seen_at - a.seen_at > make_interval(secs => $4) then excluded.since else a.since end,
            seen_at = excluded.seen_at
     returning since, since = seen_at as "isNew"`,
    [clientId, type, subject, quietSeconds],
  )
  const { since, isNew } = firstRow(rows)
  return isNew ? since : null
}

/** Ends an alarm: the condition is over. */
export async function clearAlarm(tx: Queryable, { clientId, type, subject }: Alarm): Promise<void> {
  await tx.query('delete from alarms where client_id = $1 and type = $2 and subject = $3', [clientId, type, subject])
}

/** All alarms of a type, of all clients: they are few. */
export async function listAlarms(tx: Queryable, type: string): Promise<Alarm[]> {
  const { rows } = await tx.query<Alarm>(
    'select client_id as "clientId", type, subject from alarms where type = $1 order by client_id, subject',
    [type],
  )
  return rows
}

/** Deletes alarms that have been quiet for so long that they would be new again. */
export async function forgetAlarms(tx: Queryable, type: string, quietSeconds: number): Promise<void> {
  await tx.query('delete from alarms where type = $1 and seen_at < now() - make_interval(secs => $2)', [
    type,
    quietSeconds,
  ])
}
