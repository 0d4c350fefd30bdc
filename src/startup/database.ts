import type { Config } from '../config.ts'
import { openPool } from '../database/db.ts'
import { migrateDatabase } from '../database/migrate.ts'
import { startPostgres } from '../embedded-postgres/start.ts'
import type { Log } from '../log.ts'
import { assertKeysOpen, sealPlainHeaders } from '../secrets/key-rotation.ts'
import { loadKeyRing } from '../secrets/keyring.ts'
import type { StopList } from './stop-list.ts'

/** The connections of a process: its pools, the worker's session, and Graphile Worker's 3 where it works. */
const countConnections = ({ roles, connections: { ingest, work, api } }: Config) =>
  work +
  (roles.has('work') ? 4 : 1) +
  (roles.has('receive') || roles.has('api') ? ingest : 0) +
  (roles.has('api') ? api : 0)

interface DatabaseDeps {
  log: Log
  /** The embedded database has ended without being asked to. */
  onDatabaseCrash?: (() => void) | undefined
}

/** The database of DATABASE_URL or an embedded one, up to date, and the keys that open what is encrypted in it. */
export async function startDatabase(config: Config, { log, onDatabaseCrash }: DatabaseDeps, started: StopList) {
  const { databaseUrl, dataDir } = config
  const embedded = databaseUrl ? undefined : await startPostgres({ dataDir, log, onCrash: onDatabaseCrash })
  if (embedded) started.add(embedded.stop)
  const url = databaseUrl ?? embedded?.url
  if (url === undefined) throw new Error('There is neither an embedded database nor a DATABASE_URL.')
  await migrateDatabase({ url, log, connections: countConnections(config) })
  const db = openPool(url, {
    max: config.connections.work,
    onError: ({ message }) => log.warn({ message }, 'database.connection_lost'),
  })
  started.add(() => db.end())
  const keyRing = await loadKeyRing(config, log)
  await assertKeysOpen(db, keyRing)
  const sealed = await sealPlainHeaders(db, keyRing)
  if (sealed > 0) log.info({ endpoints: sealed }, 'gateway.headers_encrypted')
  return { url, db, keyRing, embedded }
}
