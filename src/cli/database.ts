import type { Offers } from '../../mappings/offer.ts'
import { type Config, readConfig } from '../config.ts'
import { learnClock } from '../database/clock.ts'
import { explainConnectFailure, explainDatabaseFailure } from '../database/connect-trouble.ts'
import { createSession, type Db, openPool } from '../database/db.ts'
import { assertSessionsAreOwn } from '../database/pooler.ts'
import { assertServerFits } from '../database/requirements.ts'
import { assertProgramIsCompatible } from '../database/schema-compatibility.ts'
import { setIdClock } from '../domain/ids.ts'
import { hasDatabase, runningPostgres, startPostgres } from '../embedded-postgres/start.ts'
import { ConfigError } from '../errors.ts'
import { newLog } from '../log.ts'
import { loadOffers } from '../offers.ts'
import { version } from '../version.ts'

const CONNECTIONS = 2

/** What a command works with; `now` is the database's clock. */
type DatabaseWork<T> = (db: Db, config: Config, offers: Offers, now: () => Date) => Promise<T>

/**
 * Runs `work` on the gateway's database, found through the gateway's own environment: beside a running gateway, or on an
 * embedded database that is started for it. Throws a ConfigError when there is none.
 */
export async function withDatabase<T>(work: DatabaseWork<T>): Promise<T> {
  const config = readConfig(process.env)
  const offers = await loadOffers(config.contracts)
  return withDatabaseUrl(config, async (url) => {
    await assertGatewayDatabase(url)
    const db = openPool(url, { max: CONNECTIONS })
    try {
      const { now, latest } = await learnClock(db)
      setIdClock(() => latest().getTime())
      return await work(db, config, offers, now)
    } finally {
      await db.end()
    }
  })
}

/** Runs `work` with the way to the gateway's database, which may hold nothing yet. Throws a ConfigError when there is none. */
export async function withDatabaseUrl<T>(config: Config, work: (url: string) => Promise<T>): Promise<T> {
  const { url, close } = await openDatabase(config)
  try {
    return await work(url)
  } catch (error) {
    throw explainOlderSchema(error) ?? explainDatabaseFailure(error, url) ?? error
  } finally {
    await close()
  }
}

/** undefined_table, undefined_column, undefined_function: a gateway of an older version runs beside the command, or ran last. */
const UNDEFINED = ['42P01', '42703', '42883']

function explainOlderSchema(error: unknown): ConfigError | null {
  const { code = '', message } = error as { code?: string; message: string }
  if (!UNDEFINED.includes(code)) return null
  return new ConfigError(
    `The gateway's tables are older than this program (${message}): start the gateway of this version, or run "flo-gateway migrate".`,
    { cause: error },
  )
}

async function openDatabase({ databaseUrl, dataDir }: Config): Promise<{ url: string; close: () => Promise<void> }> {
  const url = databaseUrl ?? (await runningPostgres(dataDir))
  if (url) return { url, close: async () => {} }
  if (!(await hasDatabase(dataDir)))
    throw new ConfigError(`There is no database in ${dataDir} yet: start the gateway first, or set FLO_DATA_DIR.`)
  const { url: started, stop } = await startPostgres({ dataDir, log: newLog('warn') })
  return { url: started, close: stop }
}

async function assertGatewayDatabase(url: string) {
  const session = createSession(url, { application_name: 'flo-gateway command' })
  await session.connect().catch((error) => {
    throw explainConnectFailure(error, url)
  })
  try {
    await assertServerFits(session)
    const { rows } = await session.query(`select to_regclass('source_events') is not null as ours`)
    if (!rows[0].ours)
      throw new ConfigError('This database has no tables of a gateway yet: start the gateway once, it creates them.')
    await assertProgramIsCompatible(session, version)
    await assertSessionsAreOwn(url, { connections: CONNECTIONS, processes: 1 })
  } finally {
    await session.end()
  }
}
