import type { Queryable } from '../database/db.ts'

/** What an alarm is about: `type` is that of the operational event. */
export interface Alarm {
  clientId: string
  type: string
  subject: string
}

/**
 * Since when it goes on, when this is news: there was no such alarm, or it had been quiet for `quietSeconds`; else null. One
 * statement: of two who raise it at once, one brings news.
 */
export async function raiseAlarm(
  tx: Queryable,
  { clientId, type, subject }: Alarm,
  quietSeconds: number | null = null,
): Promise<Date | null> {
  const { rows } = await tx.query<{ since: Date; news: boolean }>(
    `insert into alarms as a (client_id, type, subject) values ($1, $2, $3)
     on conflict (client_id, type, subject) do update
        set since = case when excluded.seen_at - a.seen_at > make_interval(secs => $4) then excluded.since else a.since end,
            seen_at = excluded.seen_at
     returning since, since = seen_at as news`,
    [clientId, type, subject, quietSeconds],
  )
  return rows[0]!.news ? rows[0]!.since : null
}

/** It is over. */
export async function clearAlarm(tx: Queryable, { clientId, type, subject }: Alarm): Promise<void> {
  await tx.query('delete from alarms where client_id = $1 and type = $2 and subject = $3', [clientId, type, subject])
}

/** The alarms of a type that go on, of all clients: they are few. */
export async function listAlarms(tx: Queryable, type: string): Promise<Alarm[]> {
  const { rows } = await tx.query<Alarm>(
    'select client_id as "clientId", type, subject from alarms where type = $1 order by client_id, subject',
    [type],
  )
  return rows
}

/** Forgets what has been quiet for so long that it would be news again. */
export async function forgetAlarms(tx: Queryable, type: string, quietSeconds: number): Promise<void> {
  await tx.query('delete from alarms where type = $1 and seen_at < now() - make_interval(secs => $2)', [
    type,
    quietSeconds,
  ])
}
