import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { ConfigError } from '../errors.ts'
import { isRoot, type ServerAccount } from './account.ts'
import type { PostgresBinaries } from './binaries.ts'

// As root the server runs as another user, who may not pass a folder that is closed to others (/root, or one that mktemp made). It
// is not ours to open. What the server needs of it is put in an open place, and nothing of the server can reach the rest.

const runFile = promisify(execFile)

/** Folders whose parents everybody may pass. */
const OPEN_PARENTS = ['/var/lib', '/var/tmp', '/tmp']

/** Says where the database of a data folder is, when it is not in the folder itself. */
const POINTER = 'pg-place'

/** The database's own folder, which may not exist yet. */
export async function findClusterFolder(folder: string): Promise<string> {
  const pointer = await readFile(join(folder, POINTER), 'utf8').catch(() => '')
  return pointer.trim() || join(folder, 'pg')
}

/**
 * The database's folder where the account can enter it. A database that lies behind a closed folder is moved; `stopServer` is
 * called before with its folder. The place is written down first: a move that was broken off goes on at the next start.
 */
export async function placeCluster(
  folder: string,
  account: ServerAccount,
  stopServer: (pgDir: string) => Promise<void>,
): Promise<string> {
  const inside = join(folder, 'pg')
  const known = await findClusterFolder(folder)
  if (isRoot()) {
    const { mode } = await stat(folder)
    // The data folder itself is ours to open.
    if ((mode & 0o001) === 0) await chmod(folder, (mode & 0o777) | 0o011)
  }
  if (known === inside && (await account.canEnter(folder))) return inside
  const place = known === inside ? await reservePlace(folder, account) : known
  if (!(await account.canEnter(dirname(place))))
    throw new ConfigError(
      `PostgreSQL does not run as root, and no other user may enter ${dirname(place)}: run the gateway as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own.`,
    )
  if ((await exists(join(inside, 'PG_VERSION'))) && !(await exists(place))) {
    await stopServer(inside)
    await moveFolder(inside, place)
  }
  return place
}

async function reservePlace(folder: string, account: ServerAccount): Promise<string> {
  const parent = await findOpenFolder(account)
  if (!parent)
    throw new ConfigError(
      `PostgreSQL does not run as root, and no other user may enter ${folder}: run the gateway as an ordinary user, put it where others may enter, or set DATABASE_URL to a PostgreSQL of your own.`,
    )
  const own = await mkdtemp(join(parent, 'data-'))
  await chmod(own, 0o711)
  const place = join(own, 'pg')
  const draft = join(folder, `${POINTER}.new`)
  await writeFile(draft, `${place}\n`, { flush: true })
  await rename(draft, join(folder, POINTER))
  return place
}

/** The programs where the account can run them: copied once for each version when they lie behind a closed folder. */
export async function placePrograms(binaries: PostgresBinaries, account: ServerAccount): Promise<PostgresBinaries> {
  if (await account.canRun(binaries.postgres)) return binaries
  const native = dirname(dirname(binaries.postgres))
  const { version } = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as { version: string }
  const parent = await findOpenFolder(account)
  const copy = parent && join(parent, `postgres-${version}`)
  if (copy && !(await exists(copy))) await copyPrograms(native, copy)
  const placed = copy && {
    initdb: join(copy, 'bin', basename(binaries.initdb)),
    postgres: join(copy, 'bin', basename(binaries.postgres)),
  }
  if (placed && (await account.canRun(placed.postgres))) return placed
  throw new ConfigError(
    `PostgreSQL does not run as root, and no other user may run ${binaries.postgres}: run the gateway as an ordinary user, put it where others may enter, or set DATABASE_URL to a PostgreSQL of your own.`,
  )
}

async function copyPrograms(native: string, copy: string): Promise<void> {
  const draft = await mkdtemp(`${copy}.new-`)
  await cp(native, draft, { recursive: true, verbatimSymlinks: true })
  await runFile('chmod', ['-R', 'go=rX', draft])
  // Another gateway may have been faster.
  await rename(draft, copy).catch(() => rm(draft, { recursive: true, force: true }))
}

/** A folder of root's that the account may pass and nobody else may write to; null when there is none. */
async function findOpenFolder(account: ServerAccount): Promise<string | null> {
  for (const parent of OPEN_PARENTS) {
    const folder = join(parent, 'flo-gateway')
    await mkdir(folder, { mode: 0o711 }).catch(() => {})
    const made = await stat(folder).catch(() => null)
    if (made?.isDirectory() && made.uid === 0 && (made.mode & 0o022) === 0 && (await account.canEnter(folder)))
      return folder
  }
  return null
}

/** Moves a folder, to another file system too: the new one is whole before the old one goes. */
async function moveFolder(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
    const draft = `${to}.new`
    await rm(draft, { recursive: true, force: true })
    await runFile('cp', ['-a', from, draft])
    await runFile('sync', [])
    await rename(draft, to)
    await rm(from, { recursive: true, force: true })
  }
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )
