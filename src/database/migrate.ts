import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { makeWorkerUtils } from 'graphile-worker'
import { runner } from 'node-pg-migrate'
import pg from 'pg'
import { ConfigError } from '../errors.ts'
import type { Log } from '../log.ts'
import { version } from '../version.ts'
import { explainConnectFailure, explainDatabaseFailure } from './connect-trouble.ts'
import { createSession, isDatabaseAway, openPool } from './db.ts'
import { distributeTables, isDistributed } from './distribution.ts'
import { graphileLogger } from './graphile-log.ts'
import { makePartitions, retryWhileLocked } from './partitions.ts'
import { assertSessionsAreOwn } from './pooler.ts'
import {
  assertConnectionsSuffice,
  assertRightsSuffice,
  assertServerFits,
  assertTakesWrites,
  warnOfFewLocks,
  warnOfHiddenSessions,
} from './requirements.ts'
import { firstRow } from './rows.ts'
import { assertProgramIsCompatible } from './schema-compatibility.ts'
import { createStatementwiseClient } from './statementwise-client.ts'

/** Of the files in sql/: hidden ones, what is for Citus alone, and the page that shows the tables. */
const NOT_MIGRATIONS = '(\\..*|citus\\.sql|schema\\.sql)'

/** The migrations' own, and one for Graphile Worker's. */
const CONNECTIONS = 2

// Any number, the same in every gateway.
const MIGRATION_LOCK = 7_061_002
const LOCK_POLL_MS = 100

/**
 * Brings the database up to date: our migrations, Graphile Worker's, and the partitions of the days ahead; on a Citus cluster
 * new tables are distributed like the others. `distribute` distributes the tables of a database that was on one server so far.
 * Processes that start at once wait for one another. Returns the names of our migrations that ran now. Throws a ConfigError when
 * the database cannot be reached or does not fit (requirements.ts, pooler.ts), needs a newer program than `program` (this one,
 * by its version), stays locked, or cannot be distributed.
 */
export async function migrateDatabase({
  url,
  log,
  distribute = false,
  program = version,
  connections = CONNECTIONS,
  processes = 1,
}: {
  url: string
  log: Log
  distribute?: boolean
  program?: string
  /** How many connections the caller will have open at once, with all of so many processes. */
  connections?: number
  processes?: number
}): Promise<string[]> {
  const session = createSession(url, { application_name: 'flo-gateway migrations' })
  session.on('error', (error) => log.error({ err: error }, 'migrate.session_lost'))
  await session.connect().catch((error) => {
    throw explainConnectFailure(error, url)
  })
  try {
    await assertServerFits(session)
    await assertTakesWrites(session)
    await assertRightsSuffice(session)
    const needed = { connections, processes }
    await assertConnectionsSuffice(session, needed, log)
    await assertSessionsAreOwn(url, needed)
    await warnOfFewLocks(session, log)
    await warnOfHiddenSessions(session, log)
    await takeMigrationLock(session)
    await assertProgramIsCompatible(session, program)
    const names = await runMigrations(session, log)
    await migrateGraphile(url, log)
    if (distribute || (await isDistributed(session))) await distributeTables(session, log)
    const partitions = await makePartitions({ db: session, log })
    if (names.length > 0 || partitions > 0) log.info({ migrations: names, partitions }, 'database.migrated')
    return names
  } catch (error) {
    throw explainDatabaseFailure(error, url) ?? error
  } finally {
    await session.end()
  }
}

/**
 * One process migrates at a time. It is a lock of this session, which ends with the session, whatever happens. Who waits asks again
 * and again: a statement that waited would be a transaction for which an index that is made concurrently waits in turn.
 */
async function takeMigrationLock(session: pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await session.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [MIGRATION_LOCK])
    if (firstRow(rows).held) return
    await delay(LOCK_POLL_MS)
  }
}

/** Runs what has not run yet, each migration in a transaction; one that finds a table locked is tried again. */
async function runMigrations(session: pg.Client, log: Log): Promise<string[]> {
  const before = new Set(await listMigrations(session))
  const client = createStatementwiseClient(session)
  // The library tells of some refusals in words alone.
  let refusal: ServerRefusal | undefined
  const { query } = client
  const keepRefusal = (error: ServerRefusal) => {
    refusal = error
    throw error
  }
  Object.assign(client, {
    query: (...args: Parameters<typeof query>) => Promise.resolve(query(...args)).catch(keepRefusal),
  })
  const migrationsSchema = await findListSchema(session)
  const runAll = () =>
    runner({
      dbClient: client,
      dir: fileURLToPath(new URL('../../sql', import.meta.url)),
      ignorePattern: NOT_MIGRATIONS,
      direction: 'up',
      migrationsTable: 'migrations',
      migrationsSchema,
      checkOrder: true,
      noLock: true,
      logger: createMigrationLogger(log),
    }).catch(async (error) => {
      await session.query('rollback').catch(() => {})
      throw (refusal && explainMigrationFailure(refusal)) ?? error
    })
  if (!(await retryWhileLocked(runAll)))
    throw new ConfigError(
      'A migration waits for a lock on a table that somebody holds for long: look for old transactions in pg_stat_activity, then start again.',
    )
  return (await listMigrations(session)).filter((name) => !before.has(name))
}

async function listMigrations(session: pg.Client): Promise<string[]> {
  const schema = await findListSchema(session)
  const { rows: tables } = await session.query<{ exists: boolean }>(
    `select to_regclass(quote_ident($1) || '.migrations') is not null as exists`,
    [schema],
  )
  if (!tables[0]?.exists) return []
  const { rows } = await session.query<{ name: string }>(
    `select name from ${pg.escapeIdentifier(schema)}.migrations order by id`,
  )
  return rows.map(({ name }) => name)
}

/** The schema with the list of migrations: the one of our tables, or public, where older versions kept it in any case. */
async function findListSchema(session: pg.Client): Promise<string> {
  const { rows } = await session.query<{ schema: string }>(
    `select case when to_regclass('source_events') is not null and to_regclass('migrations') is null
                  and to_regclass('public.migrations') is not null then 'public' else current_schema() end as schema`,
  )
  return firstRow(rows).schema
}

async function migrateGraphile(url: string, log: Log) {
  const pgPool = openPool(url, { max: 1 })
  const utils = await makeWorkerUtils({ pgPool, logger: graphileLogger(log) })
  try {
    await utils.migrate()
  } finally {
    await utils.release()
    await pgPool.end()
  }
}

const DUPLICATE = ['42P07', '42710', '42723', '42P06']
const LOCK_NOT_AVAILABLE = '55P03'

interface ServerRefusal {
  message: string
  code?: string
  severity?: string
}

/** A migration that the server refused, as one line; null: it may be tried again, or it is an error of ours. */
function explainMigrationFailure(error: ServerRefusal): ConfigError | null {
  if (error.severity === undefined || error.code === LOCK_NOT_AVAILABLE || isDatabaseAway(error)) return null
  const advice = DUPLICATE.includes(error.code ?? '')
    ? `the schema holds something of another program: give the gateway a database of its own, or a schema that is first in the role's search_path`
    : 'look for what the database forbids (event triggers, extensions, policies), or connect as another role'
  return new ConfigError(
    `The gateway's tables could not be brought up to date, and are as they were (${error.message.split('\n')[0]}): ${advice}.`,
    { cause: error },
  )
}

/** node-pg-migrate logs each statement; only its warnings are of interest. */
const createMigrationLogger = (log: Log) => {
  const ignoreMessage = () => {}
  const logWarning = (...said: unknown[]) => log.warn({ said }, 'migrate.warning')
  return { debug: ignoreMessage, info: ignoreMessage, warn: logWarning, error: logWarning }
}
