import {
  type OldestWaiting,
  readOldestDeliveries,
  readOldestSourceEvents,
  readStuckSourceEvents,
} from '../database/backlog.ts'
import { type Db, inTransaction, type Tx } from '../database/db.ts'
import { queryEachClient } from '../database/each-client.ts'
import { DAILY_TABLES } from '../database/partitions.ts'
import { readPendingFloor } from '../database/pending-floor.ts'
import { firstRow } from '../database/rows.ts'
import { OPERATOR_CLIENT } from '../domain/ids.ts'

/** The state of the whole installation, read from its database: the same in every process. */
export interface Standing {
  /** Pending deliveries, due by now and due later; a million and more of a client count as a million. */
  pending: { now: number; later: number }
  /** Seconds that the longest overdue delivery is past its time, at endpoints whose breaker is closed, and open. */
  oldestDue: { closed: number; open: number }
  /** Enabled endpoints by their breaker. */
  breakers: { closed: number; open: number }
  /** Endpoints that are enabled, or disabled for a reason. */
  endpoints: { enabled: number; manual: number; gone: number; failing: number }
  /** Source events that wait (received, held) or need somebody (failed); a million and more of a client count as a million. */
  sourceEvents: { received: number; held: number; failed: number; unrouted: number }
  /** Seconds that the longest overdue source event is past its time. */
  oldestSourceEvent: number
  /** Source events that stay `received` for a minute while later ones got through. */
  stuckSourceEvents: number
  running: { backfill: number; replay: number }
  hydrations: { pending: number; circuitsOpen: number }
  /** Sources whose webhooks are refused for their signatures. */
  signaturesFailing: number
  /** Processes that are registered, by role. */
  workers: Readonly<Record<string, number>>
  /** Whole days from today for which all partitions are made. */
  partitionDays: number
}

const COUNT_LIMIT = 1_000_000
/** A database that is slower than this has worse problems than missing metrics. */
const TIMEOUT_MS = 3_000

/**
 * Reads the standing in one transaction of cheap statements: each goes through clients or endpoints, which are few, and probes an
 * index of what waits. `lanes` is the number of lanes of each client. Throws when the database does not answer in 3 s.
 */
export const readStanding = (db: Db, lanes: number): Promise<Standing> =>
  inTransaction(db, async (tx) => {
    await tx.query(`set local statement_timeout = ${TIMEOUT_MS}`)
    return {
      ...(await readDeliveries(tx)),
      ...(await readSourceEvents(tx, lanes)),
      ...(await readWork(tx)),
    }
  })

/** Counts the units that this worker has, by kind: endpoint, lane, backfill, ... Throws when the database does not answer in 3 s. */
export const readHeldLeases = (db: Db, workerId: string): Promise<Readonly<Record<string, number>>> =>
  inTransaction(db, async (tx) => {
    await tx.query(`set local statement_timeout = ${TIMEOUT_MS}`)
    const { rows } = await tx.query(
      `select split_part(unit, ':', 1) as kind, count(*) from leases where worker_id = $1 group by kind`,
      [workerId],
    )
    return countsBy(rows, 'kind')
  })

async function readDeliveries(tx: Tx) {
  const pending = await queryEachClient<{ now: number; later: number }>(
    tx,
    (client) => `
      select count(*) filter (where at <= now()) as now, count(*) filter (where at > now()) as later
        from (select d.next_attempt_at as at from endpoints e
               cross join lateral (select next_attempt_at from deliveries
                                    where client_id = ${client} and endpoint_id = e.id and state = 'pending'
                                      and event_id >= $1) d
               where e.client_id = ${client} limit ${COUNT_LIMIT}) waiting`,
    [await readPendingFloor(tx)],
  )
  const { rows: breakers } = await tx.query(
    `select count(*) as open from endpoint_health h
       join endpoints e on e.client_id = h.client_id and e.id = h.endpoint_id
      where h.opened_at is not null and e.deleted_at is null and e.status = 'enabled'`,
  )
  const oldest = await readOldestDeliveries(tx)
  const { rows: statuses } = await tx.query(
    `select coalesce(disabled_reason, status) as status, count(*) from endpoints where deleted_at is null group by 1`,
  )
  const endpoints = { enabled: 0, manual: 0, gone: 0, failing: 0, ...countsBy(statuses, 'status') }
  return {
    pending: { now: sumCounts(pending.map(({ now }) => now)), later: sumCounts(pending.map(({ later }) => later)) },
    oldestDue: {
      closed: longestWait(oldest.filter(({ isOpen }) => !isOpen)),
      open: longestWait(oldest.filter(({ isOpen }) => isOpen)),
    },
    breakers: { closed: endpoints.enabled - breakers[0].open, open: breakers[0].open },
    endpoints,
  }
}

async function readSourceEvents(tx: Tx, lanes: number) {
  const open = await queryEachClient<{ state: 'received' | 'held' | 'failed'; count: number }>(
    tx,
    (client) => `
      select state, count(*) from (
        select state from source_events
         where client_id = ${client} and state in ('received', 'held', 'failed') limit ${COUNT_LIMIT}) open
       group by state`,
  )
  const { rows: unrouted } = await tx.query<{ count: number }>(
    `select count(*) from (select 1 from source_events where client_id = $1 and state = 'unrouted' limit ${COUNT_LIMIT}) one`,
    [OPERATOR_CLIENT],
  )
  const sourceEvents = { received: 0, held: 0, failed: 0, unrouted: firstRow(unrouted).count }
  for (const { state, count } of open) sourceEvents[state] += count
  return {
    sourceEvents,
    oldestSourceEvent: longestWait(await readOldestSourceEvents(tx, lanes)),
    stuckSourceEvents: (await readStuckSourceEvents(tx, lanes)).length,
  }
}

async function readWork(tx: Tx) {
  const running = {
    backfill: await countRows(tx, `backfills where state = 'running'`),
    replay: await countRows(tx, `replays where state = 'running'`),
  }
  const hydrations = {
    pending: await countRows(tx, `hydrations where state = 'pending'`),
    circuitsOpen: await countRows(tx, 'hydration_circuits where open_until > now()'),
  }
  const { rows: signatures } = await tx.query('select count(signature_failing_at) as failing from sources')
  const { rows: workers } = await tx.query(
    'select role, count(*) from workers cross join unnest(roles) role group by role',
  )
  // Each partition's name ends with its day.
  const { rows: days } = await tx.query(
    `select coalesce(min(last) - (now() at time zone 'UTC')::date, -1) as ahead
       from (select i.inhparent, max(to_date(right(c.relname, 8), 'YYYYMMDD')) as last
               from pg_inherits i join pg_class c on c.oid = i.inhrelid
              where i.inhparent = any($1::regclass[]) and c.relname ~ '_[0-9]{8}$' group by i.inhparent) made`,
    [DAILY_TABLES],
  )
  return {
    running,
    hydrations,
    signaturesFailing: signatures[0].failing,
    workers: countsBy(workers, 'role'),
    partitionDays: days[0].ahead,
  }
}

async function countRows(tx: Tx, which: string): Promise<number> {
  const { rows } = await tx.query(`select count(*) from ${which}`)
  return rows[0].count
}

const sumCounts = (counts: readonly number[]) => counts.reduce((all, one) => all + one, 0)

const longestWait = (waiting: readonly OldestWaiting[]) =>
  waiting.reduce((most, { seconds }) => Math.max(most, seconds), 0)

const countsBy = <By extends string>(
  rows: readonly ({ count: number } & Record<By, string>)[],
  by: By,
): Record<string, number> => Object.fromEntries(rows.map((row) => [row[by], row.count]))
