import { fileURLToPath } from 'node:url'
import { makeWorkerUtils } from 'graphile-worker'
import { runner } from 'node-pg-migrate'
import type pg from 'pg'
import { ConfigError } from '../errors.ts'
import { graphileLogger } from '../graphile-log.ts'
import type { Log } from '../log.ts'
import { createSession, openPool } from './db.ts'
import { distributeTables, isDistributed } from './distribution.ts'
import { makePartitions } from './partitions.ts'
import { splitStatements } from './sql-statements.ts'

const OLDEST_POSTGRES = 15
const ENOUGH_LOCKS = 256

/** Of the files in sql/: what Citus alone is told, and hidden ones. */
const NOT_MIGRATIONS = '(\\..*|citus\\.sql)'

// Any number, the same in every gateway.
const MIGRATION_LOCK = 7_061_002

/**
 * Brings the database up to date: our migrations, Graphile Worker's, and the partitions of the days ahead; on a Citus cluster
 * new tables are spread like the others. `spread` spreads those of a database that was on one server so far. Processes that
 * start at once wait for one another. Returns the names of our migrations that ran now; throws a ConfigError when the
 * database cannot be reached, is older than PostgreSQL 15, or cannot be spread.
 */
export async function migrateDatabase({
  url,
  log,
  distribute = false,
}: {
  url: string
  log: Log
  distribute?: boolean
}): Promise<string[]> {
  const session = createSession(url, { application_name: 'flo-gateway migrations' })
  session.on('error', (error) => log.error({ err: error }, 'migrate.session_lost'))
  await session.connect().catch((cause) => {
    throw new ConfigError(
      `The database cannot be reached (${cause.message}): check DATABASE_URL and that PostgreSQL runs.`,
      {
        cause,
      },
    )
  })
  try {
    await assertPostgresVersion(session)
    await warnOfFewLocks(session, log)
    // Held by this session: it falls with it, whatever happens.
    await session.query('select pg_advisory_lock($1)', [MIGRATION_LOCK])
    // Of Citus, and nothing without it: a migration changes several tables of a cluster in one transaction.
    await session.query(`set citus.multi_shard_modify_mode to 'sequential'`)
    const ran = await runner({
      dbClient: createStatementwiseClient(session),
      dir: fileURLToPath(new URL('../../sql', import.meta.url)),
      ignorePattern: NOT_MIGRATIONS,
      direction: 'up',
      migrationsTable: 'migrations',
      checkOrder: true,
      noLock: true,
      logger: createMigrationLogger(log),
    })
    await migrateGraphile(url, log)
    if (distribute || (await isDistributed(session))) await distributeTables(session, log)
    const partitions = await makePartitions({ db: session, log })
    const names = ran.map(({ name }) => name)
    if (names.length > 0 || partitions > 0) log.info({ migrations: names, partitions }, 'database.migrated')
    return names
  } finally {
    await session.end()
  }
}

async function assertPostgresVersion(session: pg.Client) {
  const { rows } = await session.query(
    `select current_setting('server_version_num')::int / 10000 as major, current_setting('server_version') as version`,
  )
  if (rows[0].major < OLDEST_POSTGRES)
    throw new ConfigError(
      `The database is PostgreSQL ${rows[0].version}: the gateway needs ${OLDEST_POSTGRES} or newer.`,
    )
}

async function warnOfFewLocks(session: pg.Client, log: Log) {
  const { rows } = await session.query(`select current_setting('max_locks_per_transaction')::int as locks`)
  // See docs/retention.md: a statement that looks through 90 days may else find the lock table full.
  if (rows[0].locks < ENOUGH_LOCKS)
    log.warn({ maxLocksPerTransaction: rows[0].locks, atLeast: ENOUGH_LOCKS }, 'database.few_locks')
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

/**
 * Sends the statements of a migration one by one: Citus hands a change of a table to the nodes as the text that it came in,
 * and they take no text of several statements (citusdata/citus#6608).
 */
function createStatementwiseClient(session: pg.Client): pg.ClientBase {
  const query = async (text: string, values?: unknown[]) => {
    if (values) return session.query(text, values)
    let result: unknown
    for (const statement of splitStatements(text)) result = await session.query(statement)
    return result
  }
  return { query } as unknown as pg.ClientBase
}

/** node-pg-migrate tells each statement; only its troubles are news. */
const createMigrationLogger = (log: Log) => {
  const ignoreMessage = () => {}
  const logWarning = (...said: unknown[]) => log.warn({ said }, 'migrate.warning')
  return { debug: ignoreMessage, info: ignoreMessage, warn: logWarning, error: logWarning }
}
