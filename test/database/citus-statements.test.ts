import { pino } from 'pino'
import { beforeAll, expect, test } from 'vitest'
import { readLedgerReport } from '../../src/cli/ledger-report.ts'
import { openPool } from '../../src/database/db.ts'
import { migrateDatabase } from '../../src/database/migrate.ts'
import { moveFloor } from '../../src/database/pending-floor.ts'
import { sweepDueEndpoints } from '../../src/deliver/queue/next-due.ts'
import { newId } from '../../src/domain/ids.ts'
import { startPostgres } from '../../src/embedded-postgres/start.ts'
import { purgeIdempotencyKeys } from '../../src/jobs.ts'
import { newLog } from '../../src/log.ts'
import { readHeldLeases, readStanding } from '../../src/metrics/standing.ts'
import { forgetAlarms } from '../../src/operations/alarms.ts'
import { findBacklogs } from '../../src/operations/backlog.ts'
import { findRecentFailures } from '../../src/operations/failures.ts'
import { forgetOldNews, listUnclaimedNews } from '../../src/operations/news.ts'
import { LANES } from '../../src/receive/lane.ts'
import { purgeExpired } from '../../src/retention/purge-expired.ts'
import { afterwards } from '../support/afterwards.ts'
import { judged, type Verdict, type Volatility } from '../support/citus-rules.ts'
import { onServer } from '../support/database.ts'
import { looked } from '../support/erasing.ts'
import { startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { livedThrough } from '../support/loaded.ts'
import { placement } from '../support/placement.ts'
import { present } from '../support/present.ts'
import { liveRouted } from '../support/routed-life.ts'
import { pretendSpread } from '../support/spread-tables.ts'
import { startStripeApi } from '../support/stripe-api.ts'

// A gateway lives through all that it can do, as on a cluster, on a PostgreSQL that remembers each statement. Then every one of
// them is judged by what Citus refuses, and by whether it is about one client.

const log = newLog('silent')
const server = await startPostgres({
  dataDir: await temporaryFolder(),
  log,
  isSuperuser: true,
  settings: {
    fsync: 'off',
    shared_preload_libraries: 'pg_stat_statements',
    'pg_stat_statements.max': '10000',
    'pg_stat_statements.track': 'all',
  },
})
afterwards(() => server.stop())
await onServer(server.url, 'create database cluster')
const url = server.url.replace(/postgres$/, 'cluster')
await migrateDatabase({ url, log })
// What only Citus brings lets the gateway take the rows for spread. What Citus refuses is gone: a trigger.
await onServer(url, 'create extension pg_stat_statements; drop trigger endpoints_version on endpoints')
const cluster = openPool(url, { max: 1 })
await pretendSpread(cluster)
await cluster.query('select pg_stat_statements_reset()')
await cluster.end()

/** Asked of all clients at once: by the minute, the hour or a person, and not for each event or delivery. */
const OF_ALL: [reason: string, statement: RegExp][] = [
  ['every 2 s: leases of workers that are gone', /^select distinct worker_id as id from leases where \$\d+$/],
  ['at the end of a process: its own leases', /^delete from leases where worker_id = /],
  ['by the minute: who has something running', /^select distinct client_id as id from (backfills|hydrations|replays) /],
  [
    'by the minute: alarms and news of endpoints',
    /^(select|delete)(.|\n)* from (alarms|endpoint_news)\s+where (type|state) /,
  ],
  ['by the hour: days that may go', /^select \$\d+ from (deliveries|source_events) where (state|due_at) /],
  [
    'by the hour: where pumps begin to look',
    /^select event_id as id from deliveries where state = \$\d+ and event_id < /,
  ],
  ['metrics: once for all who ask within seconds', /^select (count\(\*\)( as open)? from |split_part\(unit)/],
  ['an operator who names an id and no client', /^select (t|r)\.client_id\b(.|\n)* from clients c join /],
  ['the ledger, which somebody asks for', /^select count\(\*\) as wrong|^select \$\d+ as of, state/],
]

interface Ran extends Verdict {
  sql: string
  calls: number
}
const ran: Ran[] = []

/** What the gateway logged as an error. */
const trouble: { msg: string }[] = []

beforeAll(async () => {
  const stripe = await startStripeApi()
  const gateway = await startTestGateway(
    {
      DATABASE_URL: url,
      FLO_STRIPE_API_BASE: stripe.url,
      FLO_HOLD_SECONDS: '1',
      FLO_HYDRATE_SECONDS: '1',
    },
    { log: pino({ level: 'error' }, { write: (line: string) => void trouble.push(JSON.parse(line)) }) },
  )
  const operator = await gateway.api('POST', '/v1/clients', { name: 'Operator', isOperator: true })
  await gateway.api('POST', '/v1/endpoints', {
    clientId: operator.body.data.id,
    url: 'http://127.0.0.1:9/',
    contract: 'operations.v1',
  })
  const clients = await Promise.all(['ada', 'grace', 'edsger'].map((name) => livedThrough(gateway, stripe, name)))
  expect(new Set(clients.map(({ clientId }) => clientId)).size).toBe(3)
  await deleteAll(gateway, present(clients[2]).clientId, 'edsger')
  await liveRouted(gateway, stripe)

  // What Graphile's clock does by the minute and by the hour, and what a person asks for.
  const db = openPool(url, { max: 2 })
  const kept = { payload: 30, metadata: 90 }
  const inYears = () => new Date(Date.now() + 900 * 86_400_000)
  await readStanding(db, LANES)
  await readHeldLeases(db, newId())
  await findRecentFailures(db)
  await listUnclaimedNews(db)
  await forgetOldNews(db)
  await forgetAlarms(db, 'mapping.failed', 3600)
  await sweepDueEndpoints(db, 60)
  await findBacklogs(db, { lanes: LANES, afterSeconds: 60, now: () => new Date() })
  await moveFloor(db)
  await purgeIdempotencyKeys(db)
  await readLedgerReport(db)
  await purgeExpired({ db, log, now: inYears }, { ...kept, graceSeconds: 0 })
  await db.end()
  await gateway.stop()
  const { functions, statements } = await remembered()
  for (const { sql, calls } of statements) ran.push({ sql, calls, ...judged(sql, functions) })
})

/** Everything that can be deleted of a client, and the client. */
async function deleteAll(
  { api, db }: Awaited<ReturnType<typeof startTestGateway>>,
  clientId: string,
  name: string,
): Promise<void> {
  const { body: listed } = await api('GET', `/v1/source-events?clientId=${clientId}&state=normalized&limit=1`)
  const { body: sources } = await api('GET', `/v1/sources?clientId=${clientId}`)
  for (const [method, path] of [
    ['POST', `source-events/${listed.data[0].id}/expunge`],
    ['DELETE', `users/user_${name}`],
    ['DELETE', `sources/${sources.data[0].id}`],
    ['DELETE', `clients/${clientId}`],
  ] as const) {
    const inQuery = path.startsWith('clients') ? '' : `?clientId=${clientId}`
    const { status, body } = await api(method, `/v1/${path}${inQuery}`, method === 'POST' ? {} : undefined)
    expect([path, status]).toEqual([path, 202])
    await looked(db, body.data.id)
  }
}

async function remembered(): Promise<{ functions: Volatility; statements: { sql: string; calls: number }[] }> {
  const statements = await onServer(
    url,
    `select query as sql, sum(calls)::int as calls from pg_stat_statements
      where dbid = (select oid from pg_database where datname = current_database())
        and query ~* '^\\s*(with|select|insert|update|delete|\\()' and query !~ 'graphile_worker|pg_stat_statements|pgmigrations'
      group by query`,
  )
  const of = async (kind: string) => {
    const { rows } = await onServer(url, `select distinct proname as name from pg_proc where provolatile = '${kind}'`)
    return rows.map(({ name }) => name as string)
  }
  const volatile = new Set(await of('v'))
  // Of one name with several forms the one that we use is immutable.
  const stable = new Set((await of('s')).filter((name) => !['to_timestamp'].includes(name)))
  return { functions: { volatile, stable }, statements: statements.rows }
}

test('there was a load: each room ran, often', () => {
  for (const words of [
    'insert into source_events',
    'insert into emissions',
    'insert into deliveries',
    'insert into attempts',
    'insert into leases',
    'update replays',
    'update backfills',
    'update hydrations',
    'insert into invoice_dues',
    'insert into endpoint_health as h',
    'insert into endpoint_news',
    'insert into alarms',
    'insert into routings',
    'insert into routed_objects',
    'update routings',
    'delete from routing_news',
  ])
    expect(
      ran.some(({ sql }) => sql.includes(words)),
      words,
    ).toBe(true)
})

test('nothing of the load failed within the gateway', () => {
  expect(trouble).toEqual([])
})

test('Citus refuses none of the statements', () => {
  expect(ran.filter(({ refused }) => refused.length > 0).map(({ sql, refused }) => ({ refused, sql }))).toEqual([])
})

test('every statement is about one client, or an insert, or asked of all clients with a reason', () => {
  const loose = ran.filter(({ reach, sql }) => reach === 'all' && !OF_ALL.some(([, statement]) => statement.test(sql)))
  expect(loose.map(({ sql, calls }) => ({ calls, sql }))).toEqual([])
})

test.each(OF_ALL)('%s: it was asked, and goes to every node', (_, statement) => {
  expect(ran.filter(({ reach, sql }) => reach === 'all' && statement.test(sql))).not.toEqual([])
})

// On Citus it is never a statement of one shard: the rows go through the coordinator and intermediate results.
test('nothing that runs for each event or delivery inserts rows that are selected from lists', () => {
  const fromLists = /insert into (\w+)(?![^;]*\bvalues \()[^;]*\bselect\b[^;]*\bfrom (unnest|jsonb?_to_recordset)\(/
  const found = ran.filter(({ sql }) => placement.distributed.includes(fromLists.exec(sql)?.[1] ?? ''))
  expect(found.map(({ sql, calls }) => ({ calls, sql }))).toEqual([])
})

test('what changes an endpoint raises its version without the help of a trigger', () => {
  const updates = ran.filter(({ sql }) => /^update endpoints\s/.test(sql))
  expect(updates.length).toBeGreaterThan(4)
  expect(updates.filter(({ sql }) => !/version = version \+/.test(sql)).map(({ sql }) => sql)).toEqual([])
})
