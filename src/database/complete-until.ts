import type { Queryable } from './db.ts'

/** How old a transaction is taken to be at most that has written nothing yet: ids are made right before they are written. */
const UNWRITTEN_SECONDS = 10
/** How old one of the gateway may be whose start this role may not see (docs/operations.md). */
const UNSEEN_SECONDS = 60
/** Writers take less than this, unless one hangs. */
const HELD_BACK_SECONDS = 30

export interface Completeness {
  /** None that is still to be seen carries an earlier time. */
  until: Date
  /** A transaction hangs, or cannot be seen: `until` lies long ago. */
  isHeldBack: boolean
}

/**
 * Until when rows are complete. The gateway makes ids inside the transaction that writes them, by the latest that the database's
 * clock may say (`setIdClock`), so no open transaction holds an id older than itself; PostgreSQL takes a transaction off its list
 * only after its rows can be seen. What others have written by hand counts as well, whatever their sessions are called. To be
 * called, in a statement of its own, **before** the rows are read. See docs/adr/0039-end-ascending-pages-before-open-writers.md.
 */
export async function readCompleteness(
  db: Queryable,
  { heldBackSeconds = HELD_BACK_SECONDS } = {},
): Promise<Completeness> {
  // On a cluster what a transaction has written on a node gives it no id on the coordinator.
  const { rows } = await db.query<Completeness>({
    name: 'api.completeness',
    text: `select o.until, o.until < statement_timestamp() - make_interval(secs => $3) as "isHeldBack"
             from (select date_trunc('milliseconds', least(statement_timestamp(), min(
                     case when a.query = '<insufficient privilege>' or a.state = 'disabled'
                          then statement_timestamp() - make_interval(secs => $2)
                          when a.xact_start is null then null
                          when a.backend_xid is null and not exists (select from pg_extension where extname = 'citus')
                          then greatest(a.xact_start, statement_timestamp() - make_interval(secs => $1))
                          else a.xact_start end))) as until
                     from pg_stat_activity a
                    where a.datname = current_database() and a.pid <> pg_backend_pid()
                      and (a.application_name like 'flo-gateway%'
                           or a.backend_xid is not null and a.backend_type = 'client backend')) o`,
    values: [UNWRITTEN_SECONDS, UNSEEN_SECONDS, heldBackSeconds],
  })
  const [row] = rows
  if (!row) throw new Error('An aggregate gave no row.')
  return row
}
