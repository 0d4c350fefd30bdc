import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createSession } from '../database/db.ts'
import { firstRow } from '../database/rows.ts'
import { ConfigError } from '../errors.ts'
import type { Log } from '../log.ts'
import { loadOrCreateSecret } from '../secrets/secret-file.ts'
import { findAccount } from './account.ts'
import { findBinaries } from './binaries.ts'
import { createCluster, launchServer, serverFlags } from './launch.ts'
import { type FolderLock, lockFolder } from './lock.ts'
import { findClusterFolder, placeCluster, placePrograms, rememberCluster } from './open-place.ts'
import { isProcessAlive, readPidFile, servesFolder } from './pid-file.ts'
import { BOOTSTRAP_USER, DATABASE_USER, hasFormerRole, prepareRole } from './role.ts'

const TRIES = 50
const LOG_BYTES = 10 * 1024 * 1024
const WATCH_MS = 1000
const STOP_MS = 60_000

export interface EmbeddedPostgres {
  /** postgres:// URL with the generated password. */
  url: string
  /** The folder of its files. */
  pgDir: string
  /** Fast shutdown; resolves when the server has ended. */
  stop(): Promise<void>
  /** The same without waiting, for a process that ends at once. */
  abandon(): void
}

interface StartOptions {
  dataDir: string
  log: Log
  /** They join the server's own. */
  settings?: Record<string, string>
  /** Called when the server stops without being asked to. */
  onCrash?: () => void
  /** The role of the URL may do everything, and other roles may connect: for tests. Only where the folder is new. */
  isSuperuser?: boolean
}

/**
 * The embedded PostgreSQL of one data folder: the server that a killed gateway left behind when it still lives, else a new
 * one on a free port of 127.0.0.1. Its role is no superuser. Throws a ConfigError when another gateway uses the folder or this
 * machine cannot run the server.
 */
export async function startPostgres(options: StartOptions): Promise<EmbeddedPostgres> {
  const { dataDir, log, settings = {}, onCrash = () => {}, isSuperuser = false } = options
  forgetClientVariables()
  const folder = await makeFolder(dataDir)
  const logFile = join(folder, 'pg.log')
  const password = await loadOrCreateSecret(join(folder, 'pg-password'), {
    generateSecret: () => randomBytes(24).toString('base64url'),
    log,
  })
  const account = await findAccount(await findClusterFolder(folder))
  const { initdb, postgres } = await placePrograms(await findBinaries(), account)
  const pgDir = await placeCluster(folder, account, (inside) => stopUnowned({ pgDir: inside, folder, password, log }))
  await createCluster(pgDir, { initdb, postgres, account, password, isSuperuser })
  await rememberCluster(folder)
  const logged = await stat(logFile).catch(() => null)
  if (logged && logged.size > LOG_BYTES) await rename(logFile, `${logFile}.1`)

  for (let tries = 0; tries < TRIES; tries += 1) {
    const server =
      (await findLivingServer(pgDir, log)) ?? (await launchServer(pgDir, { postgres, account, logFile, settings }))
    if ('retry' in server) {
      log.debug({ reason: server.retry }, 'postgres.start_retried')
      await delay(100)
      continue
    }
    const { pid, port } = server
    if (await hasFormerRole(formatUrl(password, port, BOOTSTRAP_USER))) {
      await stopUnowned({ pgDir, folder, password, log })
      const cluster = { pgDir, postgres, account, flags: serverFlags() }
      if (await prepareRole(cluster, { password, isSuperuser })) log.info({ pgDir }, 'postgres.superuser_taken_away')
      continue
    }
    const url = formatUrl(password, port)
    const lock = await lockFolder({ url, folder, log })
    // The server was stopping when we found it: the next round starts one.
    if (!lock) {
      await delay(100)
      continue
    }
    if (server.adopted && !(await letsInEnough(url, settings))) {
      lock.expectLoss()
      await stopServer(pid, pgDir, log)
      continue
    }
    log.info({ serverPid: pid, port, adopted: server.adopted }, 'postgres.started')
    return superviseServer({ pid, pgDir, url, lock, log, logFile, onCrash })
  }
  throw new ConfigError(`PostgreSQL in ${pgDir} neither runs nor starts, see ${logFile}.`)
}

/** Whether a server that an earlier gateway has started lets in as many connections as this one wants. */
async function letsInEnough(url: string, { max_connections: wanted }: Record<string, string>): Promise<boolean> {
  if (wanted === undefined) return true
  const session = createSession(url)
  await session.connect()
  const { rows } = await session.query(`select current_setting('max_connections')::int as allowed`)
  await session.end()
  return firstRow(rows).allowed >= Number(wanted)
}

interface Supervision {
  pid: number
  pgDir: string
  url: string
  lock: FolderLock
  log: Log
  logFile: string
  onCrash: () => void
}

function superviseServer({ pid, pgDir, url, lock, log, logFile, onCrash }: Supervision): EmbeddedPostgres {
  const watch = setInterval(async () => {
    if (await servesFolder(pid, pgDir)) return
    clearInterval(watch)
    log.fatal({ serverPid: pid, logFile }, 'postgres.ended_unasked')
    onCrash()
  }, WATCH_MS).unref()
  return {
    url,
    pgDir,
    async stop() {
      clearInterval(watch)
      // The lock goes down with the server, so that no other gateway adopts what is ending.
      lock.expectLoss()
      await stopServer(pid, pgDir, log)
    },
    abandon: () => signalServer(pid, 'SIGINT'),
  }
}

/**
 * Stops the server that a killed gateway left behind on this folder, if there is one. Throws a ConfigError when a living gateway
 * uses it.
 */
async function stopUnowned({
  pgDir,
  folder,
  password,
  log,
}: {
  pgDir: string
  folder: string
  password: string
  log: Log
}): Promise<void> {
  const server = await findLivingServer(pgDir, log)
  if (!server) return
  const lock = await lockFolder({ url: await findUrl(password, server.port), folder, log })
  lock?.expectLoss()
  await stopServer(server.pid, pgDir, log)
}

/** The URL of the server that serves this data folder at present, for a command beside a gateway; null when none does. */
export async function runningPostgres(dataDir: string): Promise<string | null> {
  forgetClientVariables()
  const folder = resolve(dataDir)
  const pgDir = await findClusterFolder(folder)
  const postmaster = await readPidFile(pgDir)
  if (!postmaster?.isReady || !(await servesFolder(postmaster.pid, pgDir))) return null
  const password = (await readFile(join(folder, 'pg-password'), 'utf8')).trim()
  return findUrl(password, postmaster.port)
}

/** Whether there is a database in this data folder. */
export async function hasDatabase(dataDir: string): Promise<boolean> {
  const pgDir = await findClusterFolder(resolve(dataDir))
  return (await stat(join(pgDir, 'PG_VERSION')).catch(() => null)) !== null
}

/** What `pg` reads of the environment beside the URL is meant for other servers: this process has no other database. */
export function forgetClientVariables() {
  for (const name of ['PGSSLMODE', 'PGSSLNEGOTIATION', 'PGOPTIONS']) delete process.env[name]
}

/** The URL of a server that runs, which may be one of a gateway of an older version. */
const findUrl = async (password: string, port: number) =>
  formatUrl(
    password,
    port,
    (await hasFormerRole(formatUrl(password, port, BOOTSTRAP_USER))) ? BOOTSTRAP_USER : DATABASE_USER,
  )

const formatUrl = (password: string, port: number, user = DATABASE_USER) =>
  `postgres://${user}:${password}@127.0.0.1:${port}/postgres`

async function makeFolder(dataDir: string): Promise<string> {
  const folder = resolve(dataDir)
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause) => {
    throw new ConfigError(
      `The data folder ${folder} cannot be created (${cause.code}): set FLO_DATA_DIR to a folder that can be written.`,
      { cause },
    )
  })
  return folder
}

/** The server that already serves this folder, once it takes connections; null when there is none. */
async function findLivingServer(pgDir: string, log: Log) {
  let loggedAt = performance.now()
  for (;;) {
    const postmaster = await readPidFile(pgDir)
    if (!postmaster || !isProcessAlive(postmaster.pid)) return null
    const { pid, port, isReady: ready } = postmaster
    if (!(await servesFolder(pid, pgDir))) {
      // The pid now belongs to another process: PostgreSQL would take it for a living server and refuse to start.
      await rm(join(pgDir, 'postmaster.pid'), { force: true })
      return null
    }
    if (ready) return { pid, port, adopted: true }
    if (performance.now() - loggedAt > 10_000) {
      loggedAt = performance.now()
      log.info({ serverPid: pid }, 'postgres.waiting_for_recovery')
    }
    await delay(50)
  }
}

async function stopServer(pid: number, pgDir: string, log: Log) {
  const deadline = performance.now() + STOP_MS
  signalServer(pid, 'SIGINT')
  while (await servesFolder(pid, pgDir)) {
    if (performance.now() > deadline) {
      log.warn({ serverPid: pid }, 'postgres.stopped_without_checkpoint')
      signalServer(pid, 'SIGQUIT')
    }
    await delay(20)
  }
}

function signalServer(pid: number, name: NodeJS.Signals) {
  if (isProcessAlive(pid)) process.kill(pid, name)
}
