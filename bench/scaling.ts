import { setTimeout as delay } from 'node:timers/promises'
import type { Db } from '../src/database/db.ts'
import type { Bench, Figure, Row } from './bench.ts'
import { startChild } from './child.ts'
import { newReceiver } from './drain.ts'
import type { GatewayServer } from './gateway-server.ts'
import { newClient, newEndpoints, newSource, STRIPE_SECRET } from './seed.ts'
import type { StripeLoad } from './stripe-load.ts'

const FAN_OUT = 4
const OUTSTANDING = 500
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
    const database = await bench.postgres.fresh()
    const { db } = database
    const receiver = await newReceiver()
    const clientId = await newClient(db)
    const source = await newSource(db, clientId)
    await newEndpoints(db, clientId, receiver.ready.url, { count: FAN_OUT })
    const server = await startChild<{ url: string }, GatewayServer>('gateway-server.ts', {
      databaseUrl: database.url,
      source,
    })
    const url = server.ready.url + source.id
    const load = await startChild<object, StripeLoad>('stripe-load.ts', {
      url,
      secret: STRIPE_SECRET,
      concurrency: 128,
    })

    const measureThroughput = async (count: number) => {
      const first = await receiver.ask('count')
      for (let fed = 0; fed < count; ) {
        const done = ((await receiver.ask('count')) - first) / FAN_OUT
        const room = Math.min(count - fed, Math.floor(OUTSTANDING - (fed - done)))
        if (room > OUTSTANDING / 10 || room === count - fed) {
          await load.ask('feed', room)
          fed += room
        } else await delay(2)
      }
      await receiver.ask('reach', first + count * FAN_OUT)
      await untilSettled(db)
    }
    // The first events meet clients and endpoints that nobody has cached, and pages that were never written.
    await measureThroughput(events / 10)
    const cpuUsed = async () => ({
      ...(await countDeliveries(db)),
      statements: await server.ask('statements'),
      processor: bench.postgres.cpuSeconds(),
    })
    const before = await cpuUsed()
    const at = performance.now()
    await measureThroughput(events)
    const seconds = (performance.now() - at) / 1000
    const after = await cpuUsed()
    await server.ask('stop')
    for (const process of [load, receiver, server]) await process.stop()
    await database.drop()
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
