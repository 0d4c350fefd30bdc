import type { Config } from '../config.ts'
import { type Db, openPool } from '../database/db.ts'
import { migrateDatabase } from '../database/migrate.ts'
import { SERVER_SETTINGS } from '../embedded-postgres/launch.ts'
import { startPostgres } from '../embedded-postgres/start.ts'
import type { Log } from '../log.ts'
import { assertKeysOpen, sealPlainHeaders } from '../secrets/key-rotation.ts'
import { type KeyRing, loadKeyRing } from '../secrets/keyring.ts'
import type { StopList } from './stop-list.ts'

/** Where the database is, for every process of a gateway. */
export interface DatabaseAddress {
  url: string
  /** The folders on whose disks the embedded database lies; none with a DATABASE_URL. */
  folders: readonly string[]
}

/** Of those who look at the database beside the gateway: commands, `psql`, monitoring. */
const SPARE_CONNECTIONS = 20

/** The connections of all processes; of each: its pools, the worker's session, and Graphile Worker's 3 where it works. */
const countConnections = ({ processes, roles, connections: { ingest, work, api } }: Config) =>
  processes *
  (work +
    (roles.has('work') ? 4 : 1) +
    (roles.has('receive') || roles.has('api') ? ingest : 0) +
    (roles.has('api') ? api : 0))

/**
 * The database of DATABASE_URL or an embedded one, up to date. One process of a gateway does this, for all. `abandon` tells the
 * embedded one to end, and waits for nothing; `onDatabaseCrash` hears that it has ended without being asked to.
 */
export async function startDatabase(
  config: Config,
  { log, onDatabaseCrash }: { log: Log; onDatabaseCrash?: (() => void) | undefined },
  started: StopList,
): Promise<DatabaseAddress & { abandon(): void }> {
  const { databaseUrl, dataDir, processes } = config
  const connections = countConnections(config)
  const address = databaseUrl ? { url: databaseUrl, folders: [], abandon() {} } : await startEmbedded()
  await migrateDatabase({ url: address.url, log, connections, processes })
  return address

  async function startEmbedded() {
    const most = Math.max(Number(SERVER_SETTINGS.max_connections), connections + SPARE_CONNECTIONS)
    const settings = { max_connections: String(most) }
    const embedded = await startPostgres({ dataDir, log, settings, onCrash: onDatabaseCrash })
    started.add(embedded.stop)
    return { url: embedded.url, folders: [dataDir, embedded.pgDir], abandon: embedded.abandon }
  }
}

/** A pool of `max` connections, and the keys of what is encrypted in the database. */
export async function openDatabase(
  config: Config,
  { url, max, log }: { url: string; max: number; log: Log },
  started: StopList,
): Promise<{ db: Db; keyRing: KeyRing }> {
  const db = openPool(url, {
    max,
    onError: ({ message }) => log.warn({ message }, 'database.connection_lost'),
  })
  started.add(() => db.end())
  return { db, keyRing: await loadKeyRing(config, log) }
}

/** Makes sure that the keys open what is encrypted, and encrypts what an older version has left plain; once for all processes. */
export async function checkKeys({ db, keyRing, log }: { db: Db; keyRing: KeyRing; log: Log }): Promise<void> {
  await assertKeysOpen(db, keyRing)
  const sealed = await sealPlainHeaders(db, keyRing)
  if (sealed > 0) log.info({ endpoints: sealed }, 'gateway.headers_encrypted')
}
