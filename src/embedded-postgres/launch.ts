import { execFile, spawn } from 'node:child_process'
import { mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ConfigError } from '../errors.ts'
import type { ServerAccount } from './account.ts'
import { readPidFile } from './pid-file.ts'
import { accessRules, BOOTSTRAP_USER, prepareRole } from './role.ts'

const MAJOR = '18'

// The server gets none of the secrets in our environment. Its messages are parsed below, so they have to be in English.
const ENV = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' }

// Durability keeps PostgreSQL's defaults: fsync and synchronous_commit are on. These are for a queue of small hot rows.
export const SERVER_SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '256MB',
  min_wal_size: '256MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  random_page_cost: '1.1',
  autovacuum_naptime: '15s',
  // A statement over the days of a table locks each of them with its indexes: docs/retention.md.
  max_locks_per_transaction: '512',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
  // Whoever sends a refused statement reports it; the server's log stays small and free of payloads.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
}

/** A cluster to make, and how its server is run. */
interface NewCluster {
  initdb: string
  postgres: string
  account: ServerAccount
  /** Of the gateway's role. */
  password: string
  /** The gateway's role may do everything: for tests. */
  isSuperuser?: boolean
  /** Further arguments of initdb. */
  more?: readonly string[]
}

/**
 * Makes the data folder of a new database atomically: it is built beside its place and renamed, so that a crash leaves no half of
 * one, and of two processes one wins. An existing folder stays as it is. Throws a ConfigError when this version cannot read it.
 */
export async function createCluster(
  pgDir: string,
  { initdb, postgres, account, password, isSuperuser = false, more = [] }: NewCluster,
) {
  const version = await readFile(`${pgDir}/PG_VERSION`, 'utf8').catch(() => null)
  if (version?.trim() === MAJOR) return
  if (version !== null)
    throw new ConfigError(
      `${pgDir} was written by PostgreSQL ${version.trim()}, the embedded one is ${MAJOR}: dump and restore it, or set FLO_DATA_DIR to a new folder.`,
    )
  const draft = await mkdtemp(`${pgDir}.new-`)
  await account.takeOwnership(draft)
  const { file, args, options } = account.buildCommand(initdb, [
    `--pgdata=${draft}`,
    `--username=${BOOTSTRAP_USER}`,
    // Of what initdb writes nothing is left: who may connect is written below.
    '--auth=reject',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    ...more,
  ])
  try {
    await promisify(execFile)(file, args, { ...options, env: ENV, cwd: '/' })
    await writeFile(join(draft, 'pg_hba.conf'), accessRules({ isSuperuser }))
    await prepareRole({ pgDir: draft, postgres, account, flags: serverFlags() }, { password, isSuperuser })
    await rename(draft, pgDir).catch((error) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } catch (cause) {
    throw new Error(`initdb could not make ${pgDir}: ${(cause as { stderr?: string }).stderr || cause}`, { cause })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** The settings as arguments of the server. */
export const serverFlags = (settings: Record<string, string> = {}): string[] =>
  Object.entries({ ...SERVER_SETTINGS, ...settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`])

/** The started server, or why it did not start where another try may help. */
export type LaunchResult = { pid: number; port: number; adopted: false } | { retry: 'taken' | 'port' | 'memory' }

/**
 * Starts the server in a session of its own, so that the terminal's Ctrl-C reaches the gateway alone, and waits until it
 * takes connections, however long its recovery lasts. Throws with the end of its log when it ends instead.
 */
export async function launchServer(
  pgDir: string,
  {
    postgres,
    account,
    logFile,
    settings,
  }: { postgres: string; account: ServerAccount; logFile: string; settings: Record<string, string> },
): Promise<LaunchResult> {
  const port = await findFreePort()
  const { file, args, options } = account.buildCommand(postgres, [
    ...['-D', pgDir, '-p', String(port)],
    ...serverFlags(settings),
  ])
  // A file and not a pipe: the server may outlive this process.
  const log = await open(logFile, 'a', 0o600)
  const { size: before } = await stat(logFile)
  const child = spawn(file, args, { ...options, env: ENV, cwd: '/', detached: true, stdio: ['ignore', log.fd, log.fd] })
  child.unref()
  let exitReason: string | undefined
  child.once('error', (error) => {
    exitReason = String(error)
  })
  child.once('exit', (code, signal) => {
    exitReason ??= `exit code ${code ?? signal}`
  })
  await log.close()
  for (;;) {
    const postmaster = await readPidFile(pgDir)
    if (postmaster?.isReady && postmaster.pid === child.pid) return { pid: postmaster.pid, port, adopted: false }
    if (exitReason) break
    await delay(20)
  }
  const output = (await readFile(logFile)).subarray(before).toString()
  if (/lock file .* already exists/.test(output)) return { retry: 'taken' }
  if (/could not bind/.test(output)) return { retry: 'port' }
  if (/shared memory block .* still in use/.test(output)) return { retry: 'memory' }
  throw new Error(`PostgreSQL did not start (${exitReason}). The end of ${logFile}:\n${output.slice(-2000)}`)
}

async function findFreePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
