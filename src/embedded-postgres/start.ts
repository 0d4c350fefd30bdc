import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ConfigError } from '../errors.ts'
import type { Log } from '../log.ts'
import { keptSecret } from '../secrets/secret-file.ts'
import { accountFor } from './account.ts'
import { findBinaries } from './binaries.ts'
import { createCluster, launch, USER } from './launch.ts'
import { holdFolder } from './lock.ts'
import { isAlive, readPidFile, serves } from './pid-file.ts'

const TRIES = 50
const LOG_BYTES = 10 * 1024 * 1024
const WATCH_MS = 1000
const STOP_MS = 60_000

export interface Embedded {
  /** postgres:// URL with the generated password. */
  url: string
  /** Fast shutdown; resolves when the server has ended. */
  stop(): Promise<void>
  /** The same without waiting, for a process that ends at once. */
  abandon(): void
}

/**
 * The embedded PostgreSQL of one data folder: the server that a killed gateway left behind when it still lives, else a new
 * one on a free port of 127.0.0.1. `settings` join the server's own; `crashed` is called when the server ends unasked.
 * Throws a ConfigError when another gateway uses the folder or this machine cannot run the server.
 */
export async function startPostgres({
  dataDir,
  log,
  settings = {},
  crashed = () => {},
}: {
  dataDir: string
  log: Log
  settings?: Record<string, string>
  crashed?: () => void
}): Promise<Embedded> {
  const folder = await madeFolder(dataDir)
  const pgDir = join(folder, 'pg')
  const logFile = join(folder, 'pg.log')
  const passwordFile = join(folder, 'pg-password')
  const { initdb, postgres } = await findBinaries()
  const account = await accountFor(folder, pgDir, postgres)
  const password = await keptSecret(passwordFile, () => randomBytes(24).toString('base64url'))
  await createCluster(pgDir, { initdb, account, passwordFile })
  const logged = await stat(logFile).catch(() => null)
  if (logged && logged.size > LOG_BYTES) await rename(logFile, `${logFile}.1`)

  for (let tries = 0; tries < TRIES; tries += 1) {
    const server = (await livingServer(pgDir, log)) ?? (await launch(pgDir, { postgres, account, logFile, settings }))
    if ('retry' in server) {
      log.debug({ reason: server.retry }, 'postgres.start_retried')
      await delay(100)
      continue
    }
    const { pid, port } = server
    const url = urlOf(password, port)
    const lock = await holdFolder({ url, folder, log })
    // A server that was ending when we found it: the next look starts one.
    if (!lock) {
      await delay(100)
      continue
    }
    log.info({ serverPid: pid, port, adopted: server.adopted }, 'postgres.started')

    const watch = setInterval(async () => {
      if (await serves(pid, pgDir)) return
      clearInterval(watch)
      log.fatal({ serverPid: pid, logFile }, 'postgres.ended_unasked')
      crashed()
    }, WATCH_MS).unref()
    return {
      url,
      async stop() {
        clearInterval(watch)
        // The lock goes down with the server, so that no other gateway adopts what is ending.
        lock.forget()
        await ended(pid, pgDir, log)
      },
      abandon: () => signal(pid, 'SIGINT'),
    }
  }
  throw new ConfigError(`PostgreSQL in ${pgDir} neither runs nor starts, see ${logFile}.`)
}

/** The URL of the server that serves this data folder at present, for a command beside a gateway; null when none does. */
export async function runningPostgres(dataDir: string): Promise<string | null> {
  const folder = resolve(dataDir)
  const pgDir = join(folder, 'pg')
  const postmaster = await readPidFile(pgDir)
  if (!postmaster?.ready || !(await serves(postmaster.pid, pgDir))) return null
  const password = (await readFile(join(folder, 'pg-password'), 'utf8')).trim()
  return urlOf(password, postmaster.port)
}

const urlOf = (password: string, port: number) => `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`

async function madeFolder(dataDir: string): Promise<string> {
  const folder = resolve(dataDir)
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause) => {
    throw new ConfigError(
      `The data folder ${folder} cannot be made (${cause.code}): set FLO_DATA_DIR to a folder that can be written.`,
      { cause },
    )
  })
  return folder
}

/** The server that already serves this folder, once it takes connections; null when there is none. */
async function livingServer(pgDir: string, log: Log) {
  let told = performance.now()
  for (;;) {
    const postmaster = await readPidFile(pgDir)
    if (!postmaster || !isAlive(postmaster.pid)) return null
    const { pid, port, ready } = postmaster
    if (!(await serves(pid, pgDir))) {
      // The number now belongs to another process: PostgreSQL would take it for a living server and refuse to start.
      await rm(join(pgDir, 'postmaster.pid'), { force: true })
      return null
    }
    if (ready) return { pid, port, adopted: true }
    if (performance.now() - told > 10_000) {
      told = performance.now()
      log.info({ serverPid: pid }, 'postgres.waiting_for_recovery')
    }
    await delay(50)
  }
}

async function ended(pid: number, pgDir: string, log: Log) {
  const deadline = performance.now() + STOP_MS
  signal(pid, 'SIGINT')
  while (await serves(pid, pgDir)) {
    if (performance.now() > deadline) {
      log.warn({ serverPid: pid }, 'postgres.stopped_without_checkpoint')
      signal(pid, 'SIGQUIT')
    }
    await delay(20)
  }
}

function signal(pid: number, name: NodeJS.Signals) {
  if (isAlive(pid)) process.kill(pid, name)
}
