import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deserialize } from 'node:v8'
import { listClientStatements } from '../src/database/client-statement.ts'
import { type Db, inTransaction } from '../src/database/db.ts'
import '../src/gateway.ts'
import type { Bench, Figure, Row } from './bench.ts'
import type { CapturedStatement } from './capture-statements.ts'
import { findWholeScans } from './growth/whole-scans.ts'
import { startProgram } from './program.ts'
import { newTenants, type Tenant } from './seed.ts'
import { measureSustained, startSetting } from './setting.ts'

const CAPTURE = fileURLToPath(new URL('capture-statements.ts', import.meta.url))

/** The plans of the statements that a gateway sends, where there is much to plan for. */
export const plans: Row = {
  name: 'plans',
  about: `The plans of every prepared statement that a gateway sends under load, with 10,000 clients and a million deliveries waiting: for its
values and for any, with fresh statistics and with none at all, and of every statement about many clients, whether it was sent or
not. Each has to find its rows by an index.`,
  async measure(bench: Bench): Promise<Figure[]> {
    const size = bench.quick ? { clients: 1_000, waiting: 200_000 } : { clients: 10_000, waiting: 1_000_000 }
    const folder = mkdtempSync(join(tmpdir(), 'flo-gateway-bench-statements-'))
    const start = (databaseUrl: string) =>
      startProgram(databaseUrl, { BENCH_STATEMENTS: folder, NODE_OPTIONS: `--import=${CAPTURE}` })
    const figures: Figure[] = []
    const setting = await startSetting(bench, {
      start,
      clients: bench.quick ? 100 : 1_000,
      async send(tenants, db) {
        const others = await newTenants(db, { count: size.clients, endpoints: 1, url: 'http://127.0.0.1:9' })
        await fillBacklog(db, others, size.waiting)
        return { sourceIds: tenants.map(({ sourceId }) => sourceId) }
      },
    })
    try {
      for (const statistics of ['none', 'fresh'] as const) {
        if (statistics === 'fresh') await setting.db.query('vacuum analyze')
        await measureSustained(setting, bench.quick ? 3 : 10)
        figures.push(await judgePlans(bench, setting.db, { statistics, sent: readCaptured(folder) }))
      }
    } finally {
      await setting.stop()
      rmSync(folder, { recursive: true, force: true })
    }
    return figures
  },
}

/** How many deliveries an event has: it is stored once. */
const OF_EVENT = 10

/** Deliveries that wait for an hour from now on, and events that wait to be normalised then, of all these clients in turn. */
async function fillBacklog(db: Db, tenants: Tenant[], waiting: number): Promise<void> {
  const events = waiting / OF_EVENT
  await db.query('create table filled (at int primary key, client_id uuid, source_id uuid, endpoint_id uuid)')
  await db.query(
    `insert into filled select at - 1, client_id, source_id, (select id from endpoints e where e.client_id = w.client_id)
       from unnest($1::uuid[], $2::uuid[]) with ordinality w(client_id, source_id, at)`,
    [tenants.map(({ clientId }) => clientId), tenants.map(({ sourceId }) => sourceId)],
  )
  // The bits of a UUIDv7 of the last minutes.
  await db.query(
    `create function id_at(n bigint, salt text) returns uuid language sql as $$
       select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - 600000 + n / 10), 12, '0') || '7' ||
               lpad(to_hex(n % 4096), 3, '0') || salt || lpad(to_hex(n), 12, '0'))::uuid $$`,
  )
  await inTransaction(db, async (tx) => {
    await tx.query(
      `insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
       select client_id, id_at(n, '8000'), id_at(n, '8000'), 'flo.v1', 'subscription.created', n::text, now()
         from generate_series(0, $1::int - 1) n join filled on at = n % $2::int`,
      [events, tenants.length],
    )
    await tx.query(
      `insert into source_events (client_id, id, source_id, account, livemode, event_id, type, lane, created_at, due_at)
       select client_id, id_at(n, '8000'), source_id, '', true, 'evt_' || n, 'customer.subscription.created', n % 64, now(),
              now() + interval '1 hour'
         from generate_series(0, $1::int - 1) n join filled on at = n % $2::int`,
      [events, tenants.length],
    )
    await tx.query(
      `insert into deliveries (client_id, event_id, id, endpoint_id, origin, event_type, next_attempt_at)
       select client_id, id_at(n % $1::int, '8000'), id_at(n, '8001'), endpoint_id, lpad(to_hex(n / $1::int), 32, '0')::uuid,
              'subscription.created', now() + interval '1 hour'
         from generate_series(0, $3::int - 1) n join filled on at = (n % $1::int) % $2::int`,
      [events, tenants.length, waiting],
    )
  })
  await db.query('drop table filled; drop function id_at')
}

function readCaptured(folder: string): CapturedStatement[] {
  const files = readdirSync(folder).filter((name) => !name.endsWith('.new'))
  const all = files.flatMap((file) => deserialize(readFileSync(join(folder, file))) as CapturedStatement[])
  // The queue of the background jobs is Graphile Worker's own.
  const ours = all.filter(({ text }) => !text.includes('graphile_worker'))
  return [...new Map(ours.map((statement) => [statement.name, statement])).values()]
}

async function judgePlans(
  { say }: Bench,
  db: Db,
  { statistics, sent }: { statistics: 'none' | 'fresh'; sent: CapturedStatement[] },
): Promise<Figure> {
  const asked = new Map<string, CapturedStatement>(sent.map((statement) => [statement.name, statement]))
  for (const { name, ofMany } of listClientStatements())
    if (!asked.has(`${name}.many`)) asked.set(`${name}.many`, { name: `${name}.many`, text: ofMany, values: [] })
  const found: string[] = []
  for (const statement of asked.values()) {
    const scans = await findWholeScans(db, statement)
    if (scans.length === 0) continue
    found.push(statement.name)
    say(`statistics ${statistics}: ${statement.name}: ${scans.join('; ')}`)
  }
  return {
    what: `statements that read a whole table, statistics: ${statistics}`,
    value: found.length,
    unit: '',
    atMost: 0,
    note: found.length > 0 ? found.join(', ') : `of ${asked.size}`,
    detail: { found, asked: [...asked.keys()] },
  }
}
