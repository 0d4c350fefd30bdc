import { type Db, inTransaction, type Tx } from '../db.ts'
import { type Oldest, oldestDeliveries, oldestSourceEvents } from '../oldest.ts'

/** How the installation stands, as its database alone knows: the same in every process that asks. */
export interface Standing {
  /** Pending deliveries, due by now and due later; a million and more count as a million. */
  pending: { now: number; later: number }
  /** Seconds that the longest waiting delivery is past its time, at endpoints whose breaker is closed, and open. */
  oldestDue: { closed: number; open: number }
  /** Enabled endpoints by their breaker. */
  breakers: { closed: number; open: number }
  /** Endpoints that are enabled, or disabled for a reason. */
  endpoints: { enabled: number; manual: number; gone: number; failing: number }
  /** Source events that wait (received, held) or need somebody (failed); a million and more count as a million. */
  sourceEvents: { received: number; held: number; failed: number }
  /** Seconds that the longest waiting source event is past its time. */
  oldestSourceEvent: number
  running: { backfill: number; replay: number }
  hydrations: { pending: number; shut: number }
  /** Sources whose webhooks are refused for their signatures. */
  signaturesFailing: number
  /** Processes that are registered, by role. */
  workers: Readonly<Record<string, number>>
  /** Units that this process has, by kind: endpoint, lane, backfill, ... */
  leases: Readonly<Record<string, number>>
  /** Whole days from today for which all partitions are made. */
  partitionDays: number
}

const MOST = 1_000_000
/** A database that is slower than this has other troubles than to be counted. */
const TIMEOUT_MS = 3_000

/**
 * Reads it in one transaction of cheap statements: each walks clients or endpoints, which are few, and probes an index that
 * holds nothing but what waits. `lanes` is how many each client has. Throws when the database does not answer in 3 s.
 */
export const standing = (db: Db, workerId: string, lanes: number): Promise<Standing> =>
  inTransaction(db, async (tx) => {
    await tx.query(`set local statement_timeout = ${TIMEOUT_MS}`)
    return {
      ...(await ofDeliveries(tx)),
      ...(await ofSourceEvents(tx, lanes)),
      ...(await ofWork(tx, workerId)),
    }
  })

async function ofDeliveries(tx: Tx) {
  const { rows: pending } = await tx.query(
    `select count(*) filter (where at <= now()) as now, count(*) filter (where at > now()) as later
       from (select d.next_attempt_at as at from endpoints e
              cross join lateral (select next_attempt_at from deliveries
                                   where client_id = e.client_id and endpoint_id = e.id and state = 'pending') d
              limit ${MOST}) waiting`,
  )
  const { rows: breakers } = await tx.query(
    `select count(*) filter (where h.opened_at is null) as closed, count(h.opened_at) as open
       from endpoints e
       left join endpoint_health h on h.client_id = e.client_id and h.endpoint_id = e.id
      where e.deleted_at is null and e.status = 'enabled'`,
  )
  const oldest = await oldestDeliveries(tx)
  const { rows: statuses } = await tx.query(
    `select coalesce(disabled_reason, status) as status, count(*) from endpoints where deleted_at is null group by 1`,
  )
  return {
    pending: pending[0],
    oldestDue: {
      closed: longest(oldest.filter(({ isOpen }) => !isOpen)),
      open: longest(oldest.filter(({ isOpen }) => isOpen)),
    },
    breakers: breakers[0],
    endpoints: { enabled: 0, manual: 0, gone: 0, failing: 0, ...counted(statuses, 'status') },
  }
}

async function ofSourceEvents(tx: Tx, lanes: number) {
  const { rows: states } = await tx.query(
    `select state, count(*) from (
       select s.state from clients c
        cross join lateral (select state from source_events
                             where client_id = c.id and state in ('received', 'held', 'failed')) s
        limit ${MOST}) open group by state`,
  )
  return {
    sourceEvents: { received: 0, held: 0, failed: 0, ...counted(states, 'state') },
    oldestSourceEvent: longest(await oldestSourceEvents(tx, lanes)),
  }
}

async function ofWork(tx: Tx, workerId: string) {
  const { rows: running } = await tx.query(
    `select (select count(*) from clients c cross join lateral (
               select from backfills where client_id = c.id and state = 'running') b) as backfill,
            (select count(*) from clients c cross join lateral (
               select from replays where client_id = c.id and state = 'running') r) as replay`,
  )
  const { rows: hydrations } = await tx.query(
    `select (select count(*) from clients c cross join lateral (
               select from hydrations where client_id = c.id and state = 'pending') h) as pending,
            (select count(*) from hydration_circuits where open_until > now()) as shut`,
  )
  const { rows: signatures } = await tx.query('select count(signature_failing_at) as failing from sources')
  const { rows: workers } = await tx.query(
    'select role, count(*) from workers cross join unnest(roles) role group by role',
  )
  const { rows: leases } = await tx.query(
    `select split_part(unit, ':', 1) as kind, count(*) from leases where worker_id = $1 group by kind`,
    [workerId],
  )
  // Each partition's name ends with its day.
  const { rows: days } = await tx.query(
    `select coalesce(min(last) - (now() at time zone 'UTC')::date, -1) as ahead
       from (select i.inhparent, max(to_date(right(c.relname, 8), 'YYYYMMDD')) as last
               from pg_inherits i join pg_class c on c.oid = i.inhrelid
              where c.relkind = 'r' and c.relname ~ '_[0-9]{8}$' group by i.inhparent) made`,
  )
  return {
    running: running[0],
    hydrations: hydrations[0],
    signaturesFailing: signatures[0].failing,
    workers: counted(workers, 'role'),
    leases: counted(leases, 'kind'),
    partitionDays: days[0].ahead,
  }
}

const longest = (waiting: readonly Oldest[]) => waiting.reduce((most, { seconds }) => Math.max(most, seconds), 0)

const counted = (rows: readonly Record<string, any>[], by: string): Record<string, number> =>
  Object.fromEntries(rows.map((row) => [row[by], row.count]))
