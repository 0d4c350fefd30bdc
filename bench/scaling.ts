import { setTimeout as delay } from 'node:timers/promises'
import type { Db } from '../src/database/db.ts'
import type { Bench, Figure, Row } from './bench.ts'
import { startProgram } from './program.ts'
import { FAN_OUT, feedEvents, startSetting } from './setting.ts'

/** A session of PostgreSQL that has nothing to do tells after ten seconds what it has counted. */
const COUNTED_MS = 11_000

/** What an event costs the database: the figures of docs/scaling.md. */
export const scaling: Row = {
  name: 'scaling',
  about: `What one Stripe event costs the database from its arrival to its last delivery, normalised into both contracts and
delivered to ${FAN_OUT} endpoints, under load: the figures that docs/scaling.md is based on. Everything except CPU time is counted,
not timed: another machine counts nearly the same.`,
  async measure(bench: Bench): Promise<Figure[]> {
    const events = bench.quick ? 2_000 : 30_000
    const setting = await startSetting(bench, { start: startProgram })
    const { db, server } = setting
    const deliverEvents = async (count: number) => {
      await feedEvents(setting, count)
      await untilSettled(db)
    }
    // The first events meet clients and endpoints that nobody has cached, and pages that were never written.
    await deliverEvents(events / 10)
    const cpuUsed = async () => ({
      ...(await countDeliveries(db)),
      statements: (await server.usage()).statements,
      processor: bench.postgres.cpuSeconds(),
    })
    const before = await cpuUsed()
    const at = performance.now()
    await deliverEvents(events)
    const seconds = (performance.now() - at) / 1000
    const after = await cpuUsed()
    await setting.stop()
    bench.say(`${events} events at ${Math.round(events / seconds)} a second`)

    const costEach = (name: keyof Omit<typeof after, 'tables'>) => (after[name] - before[name]) / events
    const perTable = (what: 'inserted' | 'updated' | 'deleted' | 'bytes') =>
      Object.fromEntries(
        Object.entries(after.tables)
          .map(([table, now]) => [table, (now[what] - (before.tables[table]?.[what] ?? 0)) / events] as const)
          .filter(([, count]) => count >= 0.01)
          .sort(([, a], [, b]) => b - a),
      )
    const countRows = (what: 'inserted' | 'updated' | 'deleted') => {
      const detail = perTable(what)
      const value = Object.values(detail).reduce((sum, count) => sum + count, 0)
      return { what: `rows ${what} per event`, value, unit: '', note: listText(detail, 2), detail }
    }
    const bytes = perTable('bytes')
    return [
      { what: `SQL statements per event at fan-out ${FAN_OUT}`, value: costEach('statements'), unit: '', atMost: 2 },
      { what: 'processor time of PostgreSQL per event', value: costEach('processor') * 1000, unit: 'ms' },
      { what: 'commits per event', value: costEach('commits'), unit: '' },
      { what: 'writes of WAL to disk (fsync) per event', value: costEach('syncs'), unit: '' },
      {
        what: 'WAL per event',
        value: costEach('wal') / 1000,
        unit: 'KB',
        detail: { fullPageImages: costEach('images') },
      },
      countRows('inserted'),
      countRows('updated'),
      countRows('deleted'),
      {
        what: 'disk per event, tables and indexes',
        value: Object.values(bytes).reduce((sum, count) => sum + count, 0) / 1000,
        unit: 'KB',
        note: `bytes: ${listText(bytes, 0)}`,
        detail: bytes,
      },
    ]
  },
}

const listText = (counts: Record<string, number>, digits: number) =>
  Object.entries(counts)
    .map(([table, count]) => `${table} ${count.toFixed(digits)}`)
    .join(', ')

async function untilSettled(db: Db): Promise<void> {
  for (;;) {
    const { rows } = await db.query(`select count(*)::int as waiting from deliveries where state = 'pending'`)
    if (rows[0].waiting === 0) break
    await delay(20)
  }
  await delay(COUNTED_MS)
}

interface OfTable {
  inserted: number
  updated: number
  deleted: number
  bytes: number
}

/** Everything that this database has counted so far; partitions count for their table. */
async function countDeliveries(db: Db) {
  const { rows } = await db.query(
    `select xact_commit::float8 as commits, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal,
            (select wal_fpi::float8 from pg_stat_wal) as images,
            (select sum(fsyncs)::float8 from pg_stat_io where object = 'wal') as syncs
       from pg_stat_database where datname = current_database()`,
  )
  const { rows: tables } = await db.query<OfTable & { name: string }>(
    `select regexp_replace(relname, '_(\\d{8}|default)$', '') as name, sum(n_tup_ins)::float8 as inserted,
            sum(n_tup_upd)::float8 as updated, sum(n_tup_del)::float8 as deleted,
            sum(pg_total_relation_size(relid))::float8 as bytes
       from pg_stat_user_tables group by 1`,
  )
  const { commits, wal, images, syncs } = rows[0] as Record<'commits' | 'wal' | 'images' | 'syncs', number>
  return { commits, wal, images, syncs, tables: Object.fromEntries(tables.map((table) => [table.name, table])) }
}
