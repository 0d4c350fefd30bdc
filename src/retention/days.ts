import type { Db } from '../database/db.ts'
import { type DailyTable, retryWhileLocked } from '../database/partitions.ts'
import type { RetainedKind } from '../database/retention-horizons.ts'
import type { Log } from '../log.ts'

/** Which tables belong to which horizon. Those that refer to others come first. */
const TABLES: Readonly<Record<RetainedKind, readonly DailyTable[]>> = {
  payload: ['attempts', 'event_bodies', 'source_event_bodies'],
  metadata: ['deliveries', 'events'],
}

const PENDING_DELIVERY_SQL = `select 1 from deliveries where state = 'pending' and event_id >= uuid7_floor($1) and event_id < uuid7_floor($2) limit 1`

/** What still needs a day of a table, however old it is: a pending delivery, or a source event that is not normalised yet. */
const stillNeededSql: Readonly<Record<DailyTable, string>> = {
  source_event_bodies: `select 1 from source_events where due_at is not null and id >= uuid7_floor($1) and id < uuid7_floor($2) limit 1`,
  event_bodies: PENDING_DELIVERY_SQL,
  attempts: PENDING_DELIVERY_SQL,
  deliveries: PENDING_DELIVERY_SQL,
  events: PENDING_DELIVERY_SQL,
}

/**
 * Drops the partitions of the days before a horizon, and returns their names. Days that are still needed are kept and logged.
 * Detaching a partition waits for the transactions in progress, and everybody else waits for it: 0.1 s at most, then it is
 * tried again. Where something reads for long, such as a dump, the table is left to the next run. Detached partitions are
 * dropped afterwards, when no transaction can see them.
 */
export async function dropExpiredDays(
  { db, log, stopped }: { db: Db; log: Log; stopped: () => boolean },
  horizons: Partial<Record<RetainedKind, Date>>,
): Promise<string[]> {
  const dropped = await dropDetachedDays(db)
  const locked = new Set<DailyTable>()
  for (const what of ['payload', 'metadata'] as const) {
    const before = horizons[what]
    if (!before) continue
    for (const { parent, child, since, until } of await findDaysBefore(db, TABLES[what], before)) {
      if (stopped()) return dropped
      if (locked.has(parent)) continue
      if ((await db.query(stillNeededSql[parent], [since, until])).rows.length > 0) {
        log.warn({ partition: child }, 'retention.day_still_needed')
        continue
      }
      if (await retryWhileLocked(() => db.query('select detach_partition($1, $2)', [parent, child]))) {
        await db.query(`drop table "${child}"`)
        dropped.push(child)
      } else {
        locked.add(parent)
        log.warn({ partition: child }, 'retention.day_locked')
      }
    }
  }
  return dropped
}

interface DayPartition {
  parent: DailyTable
  child: string
  since: Date
  until: Date
}

/** Finds days by the names of their partitions: `events_20260410` holds what was made on that day, by UTC. */
async function findDaysBefore(db: Db, tables: readonly DailyTable[], before: Date): Promise<DayPartition[]> {
  const { rows } = await db.query<DayPartition>(
    `select p.relname as parent, c.relname as child, d.day at time zone 'UTC' as since,
            (d.day + interval '1 day') at time zone 'UTC' as until
       from unnest($1::text[]) with ordinality t(name, at)
       join pg_inherits i on i.inhparent = t.name::regclass
       join pg_class p on p.oid = i.inhparent
       join pg_class c on c.oid = i.inhrelid and c.relname ~ '_\\d{8}$'
      cross join lateral (select to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp as day) d
      where (d.day + interval '1 day') at time zone 'UTC' <= $2
      order by d.day, t.at`,
    [tables, before],
  )
  return rows
}

/** Drops what was detached by a process that died before it could drop it. */
async function dropDetachedDays(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    `select c.relname as name from unnest($1::text[]) t(name)
       join pg_class p on p.oid = t.name::regclass
       join pg_class c on c.relnamespace = p.relnamespace and c.relkind = 'r' and not c.relispartition
                      and c.relname ~ ('^' || t.name || '_\\d{8}$')`,
    [Object.values(TABLES).flat()],
  )
  for (const { name } of rows) await db.query(`drop table if exists "${name}"`)
  return rows.map(({ name }) => name)
}
