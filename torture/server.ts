import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import type { Json } from '../src/domain/json.ts'
import { findAccount, type ServerAccount } from '../src/embedded-postgres/account.ts'
import { findBinaries } from '../src/embedded-postgres/binaries.ts'
import { createCluster, SERVER_SETTINGS } from '../src/embedded-postgres/launch.ts'
import { placePrograms } from '../src/embedded-postgres/open-place.ts'
import { DATABASE_USER } from '../src/embedded-postgres/role.ts'
import { freePort } from '../test/support/free-port.ts'
import { present } from '../test/support/present.ts'

/** A PostgreSQL server as a process of its own, on a port that it keeps: to be stopped, crashed, started and copied. */
export interface PostgresServer {
  port: number
  /** postgres:// URL, of this server alone. */
  url: string
  /** The name of its role and the password, for URLs of one's own. */
  user: string
  password: string
  folder: string
  pgDir: string
  /** Starts it, and returns when it answers; with more settings when there are any. */
  start(settings?: Record<string, string>): Promise<void>
  /** `fast` breaks off what is under way, `immediate` ends as in a crash: the next start recovers. */
  stop(how: 'fast' | 'immediate'): Promise<void>
  /** One statement on a connection of its own. */
  run(statement: string): Promise<Json[]>
  /** As if the disk were full: no file grows any more, but for the server's own log; `false` ends it. Linux alone can do that. */
  setDiskFull(is: boolean): Promise<void>
  /** Process ids of the sessions that serve clients. */
  backendPids(): Promise<number[]>
}

const OURS = {
  ...SERVER_SETTINGS,
  max_connections: '300',
  shared_buffers: '128MB',
  // Processes are killed here, not machines: what a killed process has written the system keeps. Commits are waited for, though.
  fsync: 'off',
  wal_keep_size: '512MB',
}
/** Small, so that a limit on the size of files stops tables and lets the log go on. */
const WAL_SEGMENT_MB = 1
const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const
const ENV = { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' }

/** A new, empty server in `folder`, not yet started. `settings` hold for every start. */
export async function newServer(folder: string, settings: Record<string, string> = {}): Promise<PostgresServer> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const pgDir = join(folder, 'pg')
  const password = randomBytes(12).toString('hex')
  const account = await findAccount(pgDir)
  const { initdb, postgres } = await placePrograms(await findBinaries(), account)
  await chmod(folder, 0o711)
  // Replicas, and sessions that are ended: a superuser's work.
  const more = [`--wal-segsize=${WAL_SEGMENT_MB}`]
  await createCluster(pgDir, { initdb, postgres, account, password, isSuperuser: true, more })
  return newServerProcess({ folder, port: await freePort(), pgDir, password, account, postgres, settings })
}

interface ServerLocation {
  folder: string
  port: number
  pgDir: string
  password: string
  account: ServerAccount
  postgres: string
  settings: Record<string, string>
}

function newServerProcess({
  folder,
  port,
  pgDir,
  password,
  account,
  postgres,
  settings,
}: ServerLocation): PostgresServer {
  const url = `postgres://${DATABASE_USER}:${password}@127.0.0.1:${port}/postgres`
  let child: ReturnType<typeof spawn> | undefined
  let ended: Promise<unknown> = Promise.resolve()

  const runStatement = async (statement: string) => {
    const client = new pg.Client({ connectionString: url, application_name: 'torture', connectionTimeoutMillis: 5000 })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query(statement)).rows ?? []
    } finally {
      await client.end()
    }
  }
  const server: PostgresServer = {
    port,
    url,
    user: DATABASE_USER,
    password,
    folder,
    pgDir,
    async start(more = {}) {
      const flags = Object.entries({ ...OURS, ...settings, ...more }).flatMap(([name, value]) => [
        '-c',
        `${name}=${value}`,
      ])
      const { file, args, options } = account.buildCommand(postgres, ['-D', pgDir, '-p', String(port), ...flags])
      const log = await open(join(folder, 'pg.log'), 'a', 0o600)
      const started = spawn(file, args, { ...options, env: ENV, cwd: '/', stdio: ['ignore', log.fd, log.fd] })
      await log.close()
      child = started
      ended = once(started, 'exit')
      while (started.exitCode === null && started.signalCode === null) {
        if (await runStatement('select 1').catch(() => null)) return
        await delay(20)
      }
      throw new Error(`PostgreSQL did not start, see ${folder}/pg.log`)
    },
    async stop(how) {
      child?.kill(SIGNALS[how])
      await ended
    },
    run: runStatement,
    async setDiskFull(is) {
      const bytes = is ? WAL_SEGMENT_MB * 1024 * 1024 : 'unlimited'
      // New sessions have the limit of the server's first process.
      for (const pid of [present(present(child).pid), ...(await server.backendPids())]) {
        const { file, args, options } = account.buildCommand('prlimit', [`--pid=${pid}`, `--fsize=${bytes}:unlimited`])
        await promisify(execFile)(file, args, options).catch((error) => {
          // A session may be over by now, the server itself may not.
          if (pid === present(child).pid) throw error
        })
      }
    },
    async backendPids() {
      const rows = await runStatement(`select pid from pg_stat_activity where backend_type = 'client backend'`)
      return rows.map(({ pid }) => pid)
    },
  }
  return server
}

/**
 * A standby of a server that runs, copied from it while it works, as `pg_basebackup` does (which npm's PostgreSQL lacks), and
 * started on `port`: it follows by streaming replication. `folder` is emptied first.
 * https://www.postgresql.org/docs/18/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 */
export async function startStandby(primary: PostgresServer, folder: string, port?: number): Promise<PostgresServer> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const pgDir = join(folder, 'pg')
  await chmod(folder, 0o711)
  const account = await findAccount(primary.pgDir)
  const { postgres } = await placePrograms(await findBinaries(), account)
  const session = new pg.Client({ connectionString: primary.url })
  await session.connect()
  await session.query(`select pg_backup_start('standby', true)`)
  // Files come and go meanwhile: cp complains of those that are gone, and the log brings them in order.
  await promisify(execFile)('cp', ['-a', primary.pgDir, pgDir]).catch(() => {})
  const { rows } = await session.query('select labelfile from pg_backup_stop(false)')
  await session.end()
  for (const left of ['postmaster.pid', 'postmaster.opts', 'standby.signal'])
    await rm(join(pgDir, left), { force: true })
  for (const [name, text] of [
    ['backup_label', rows[0].labelfile],
    ['standby.signal', ''],
  ]) {
    await writeFile(join(pgDir, name), text)
    await account.takeOwnership(join(pgDir, name))
  }
  const { user, password } = primary
  const settings = {
    primary_conninfo: `host=127.0.0.1 port=${primary.port} user=${user} password=${password} application_name=standby`,
    hot_standby: 'on',
    // A primary that was started again answers no commit before its standby is back: by default that tries every five seconds.
    wal_retrieve_retry_interval: '200ms',
  }
  const standby = newServerProcess({
    folder,
    port: port ?? (await freePort()),
    pgDir,
    password,
    account,
    postgres,
    settings,
  })
  await standby.start()
  return standby
}

/** From now on the server answers a commit when its standby has it as well; with `off`, by itself. Waits until that holds. */
export async function setSynchronous(primary: PostgresServer, state: 'on' | 'off'): Promise<void> {
  await primary.run(`alter system set synchronous_standby_names = '${state === 'on' ? '*' : ''}'`)
  await primary.run('select pg_reload_conf()')
  while (state === 'on') {
    const rows = await primary.run(`select from pg_stat_replication where sync_state = 'sync' and state = 'streaming'`)
    if (rows.length > 0) return
    await delay(50)
  }
}

/** Makes a standby the primary. */
export async function promoteStandby(standby: PostgresServer): Promise<void> {
  // Copied from the old primary: alone, it would wait for a standby for ever.
  await standby.run('select pg_promote(true, 60)')
  await setSynchronous(standby, 'off')
}
