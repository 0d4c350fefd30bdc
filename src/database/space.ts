import { statfs } from 'node:fs/promises'
import type { Log } from '../log.ts'
import { type Db, inTransaction } from './db.ts'

const INTERVAL_MS = 10_000

/** What a disk must have left: two segments of PostgreSQL's log, without which it ends. */
const LEAST_FREE_BYTES = 32 * 1024 * 1024

// A temporary file of 1.4 MB on the disk of the database's own tables: it takes new space, and leaves nothing behind, no row, no
// change of a catalog, no line of the server's log of writes.
const PROBE = 'select count(*) from generate_series(1, 100000)'

/** disk_full; what the system says of a file that it lets grow no further (a quota, a limit) comes as an internal error. */
const FULL_CODE = '53100'
const FULL_MESSAGE = /No space left on device|Disk quota exceeded|File too large/

export interface SpaceWatch {
  /** Whether the database could write more when it was last asked. */
  isEnough(): boolean
  stop(): Promise<void>
}

interface SpaceWatchDeps {
  db: Db
  log: Log
  /** Folders of this machine whose disks the database is on: those of an embedded one. */
  folders: readonly string[]
  intervalMs?: number
  leastFreeBytes?: number
}

/**
 * Asks every ten seconds whether the database can write more, by writing. A full disk is told once, and so is its end. A database
 * that does not answer says nothing about its space.
 */
export function startSpaceWatch({
  db,
  log,
  folders,
  intervalMs = INTERVAL_MS,
  leastFreeBytes = LEAST_FREE_BYTES,
}: SpaceWatchDeps): SpaceWatch {
  let isEnough = true
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  const look = async () => {
    const reason = (await findFullFolder(folders, leastFreeBytes)) ?? (await tryToWrite(db))
    if (isStopped || reason === undefined || (reason === null) === isEnough) return
    isEnough = reason === null
    if (reason === null) log.info('database.space_again')
    else log.error({ reason }, 'database.full')
  }
  const lookAgain = async (): Promise<void> => {
    await look()
    if (!isStopped) timer = setTimeout(() => (looking = lookAgain()), intervalMs).unref()
  }
  let looking = lookAgain()
  return {
    isEnough: () => isEnough,
    async stop() {
      isStopped = true
      clearTimeout(timer)
      await looking
    },
  }
}

/** Why the database cannot write; null: it can; undefined: it did not say. */
async function tryToWrite(db: Db): Promise<string | null | undefined> {
  try {
    await inTransaction(db, async (tx) => {
      await tx.query("set local work_mem = '64kB'; set local temp_tablespaces = ''")
      await tx.query(PROBE)
    })
    return null
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    return code === FULL_CODE || FULL_MESSAGE.test(message) ? message : undefined
  }
}

async function findFullFolder(folders: readonly string[], leastFreeBytes: number): Promise<string | null> {
  for (const folder of folders) {
    const disk = await statfs(folder).catch(() => null)
    if (disk && disk.bavail * disk.bsize < leastFreeBytes)
      return `the disk of ${folder} has ${disk.bavail * disk.bsize} bytes left`
  }
  return null
}
