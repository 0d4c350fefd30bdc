import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { createSession } from '../database/db.ts'
import { ConfigError } from '../errors.ts'
import type { Log } from '../log.ts'

// Any number, the same in every gateway. Other advisory locks of ours have other keys.
const FOLDER_LOCK = 7_061_001

// The session of a killed gateway ends within milliseconds; one that lasts longer belongs to a living gateway.
const TAKEOVER_MS = 2000

const STARTING_OR_ENDING = ['57P01', '57P03', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']
// What `pg` says without a code of a server that ends meanwhile.
const CUT_OFF = /^(Connection terminated|Client has encountered)/
const PASSWORD_REFUSED = '28P01'

export interface FolderLock {
  /** Call before the server is stopped: from then on the lock is not taken again. */
  expectLoss(): void
}

/**
 * Makes this process the only gateway on a data folder, by a session-level lock in the folder's own server: it cannot outlive the
 * process. null when the server is starting or stopping; throws a ConfigError when another gateway holds it.
 */
export async function lockFolder({
  url,
  folder,
  log,
}: {
  url: string
  folder: string
  log: Log
}): Promise<FolderLock | null> {
  let isLossExpected = false
  let session = await openLockedSession(url, folder).catch((error) => {
    if (STARTING_OR_ENDING.includes(error.code) || CUT_OFF.test(error.message)) return null
    if (error.code === PASSWORD_REFUSED)
      throw new ConfigError(
        `${folder}/pg-password is not the password of the database beside it: put the right one back.`,
      )
    throw error
  })
  if (!session) return null

  // A server that restarts itself after a crash of one of its processes has lost the lock.
  const relockFolder = async () => {
    while (!isLossExpected) {
      session = await openLockedSession(url, folder).catch((error) => {
        log.warn({ err: error }, 'postgres.folder_lock_lost')
        return null
      })
      if (session) return session.once('error', relockFolder)
      await delay(1000, undefined, { ref: false })
    }
  }
  session.once('error', relockFolder)
  return {
    expectLoss() {
      isLossExpected = true
    },
  }
}

async function openLockedSession(url: string, folder: string): Promise<pg.Client> {
  const session = createSession(url, { application_name: `process ${process.pid} on ${hostname()}` })
  session.on('error', () => {})
  await session.connect()
  const deadline = performance.now() + TAKEOVER_MS
  for (;;) {
    const { rows } = await session.query('select pg_try_advisory_lock($1) as held', [FOLDER_LOCK])
    if (rows[0].held) return session
    if (performance.now() > deadline) break
    await delay(50)
  }
  const { rows } = await session.query(
    `select application_name as name from pg_locks join pg_stat_activity using (pid)
      where locktype = 'advisory' and objid = $1 and granted`,
    [FOLDER_LOCK],
  )
  await session.end()
  throw new ConfigError(
    `Another gateway (${rows[0]?.name ?? 'just ended'}) runs on the data folder ${folder}: stop it, or set FLO_DATA_DIR to another folder.`,
  )
}
