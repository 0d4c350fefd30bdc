import type { Queryable } from './db.ts'

/** How old a transaction is taken to be at most that has written nothing yet: ids are made right before they are written. */
const UNWRITTEN_SECONDS = 10

/**
 * Until when rows are complete: none that is still to be seen carries an earlier time. The gateway makes ids inside the
 * transaction that writes them, by the database's clock (`setIdClock`), so no open transaction of the gateway holds an id older than
 * itself; PostgreSQL takes a transaction off its list only after its rows can be seen. To be called, in a statement of its own,
 * **before** the rows are read. A transaction that hangs holds it back. See docs/adr/0039-end-ascending-pages-before-open-writers.md.
 */
export async function readCompleteUntil(db: Queryable): Promise<Date> {
  // On a cluster what a transaction has written on a node gives it no id on the coordinator.
  const { rows } = await db.query<{ at: Date }>({
    name: 'api.complete_until',
    text: `select date_trunc('milliseconds', least(statement_timestamp(), min(
              case when a.backend_xid is null and not exists (select from pg_extension where extname = 'citus')
                   then greatest(a.xact_start, statement_timestamp() - make_interval(secs => $1))
                   else a.xact_start end))) as at
             from pg_stat_activity a
            where a.datname = current_database() and a.application_name like 'flo-gateway%'
              and a.xact_start is not null and a.pid <> pg_backend_pid()`,
    values: [UNWRITTEN_SECONDS],
  })
  const [row] = rows
  if (!row) throw new Error('An aggregate gave no row.')
  return row.at
}
