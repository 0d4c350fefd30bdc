import { execFile } from 'node:child_process'
import {
  chmod,
  cp,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { ConfigError } from '../errors.ts'
import { isRoot, type ServerAccount } from './account.ts'
import type { PostgresBinaries } from './binaries.ts'

// As root the server runs as another user, who may not pass a folder that is closed to others (/root, or one that mktemp made). It
// is not ours to open. What the server needs of it is put in an open place, and nothing of the server can reach the rest.

const runFile = promisify(execFile)

/** Folders whose parents everybody may pass: for a database those alone that nobody clears. */
const LASTING_PARENTS = ['/var/lib']
const OPEN_PARENTS = [...LASTING_PARENTS, '/var/tmp', '/tmp']

/** File systems that end with the machine's or container's run (overlay, tmpfs, ramfs), as statfs(2) numbers them. */
const PASSING_FILE_SYSTEMS = new Set([0x794c7630, 0x01021994, 0x858458f6])

/** Says where the database of a data folder is, when it is not in the folder itself. */
const POINTER = 'pg-place'

/** In the place: the data folder that it belongs to. */
const OWNER = 'data-folder'

/** There has been a database in the place: one that is missing is not made anew. */
const FILLED = 'pg-place.filled'

/** What a move to another file system has copied already, and has yet to remove. */
const MOVED = 'pg.moved'

/** The database's own folder, which may not exist yet. A move that is only planned has not happened. */
export async function findClusterFolder(folder: string): Promise<string> {
  const inside = join(folder, 'pg')
  const place = await readPlace(folder)
  if (place === null || (await hasCluster(place))) return place ?? inside
  for (const waiting of [inside, join(folder, MOVED)]) if (await hasCluster(waiting)) return waiting
  return place
}

async function readPlace(folder: string): Promise<string | null> {
  const pointer = await readFile(join(folder, POINTER), 'utf8').catch(() => '')
  return pointer.trim() || null
}

/**
 * The database's folder where the account can enter it. A database that lies behind a closed folder is moved; `stopServer` is
 * called before with its folder. The place is written down first: a move that was broken off goes on at the next start. Throws a
 * ConfigError when it is not certain which database is meant: none is ever made in place of one that is missing.
 */
export async function placeCluster(
  folder: string,
  account: ServerAccount,
  stopServer: (pgDir: string) => Promise<void>,
): Promise<string> {
  const inside = join(folder, 'pg')
  const known = await readPlace(folder)
  if (isRoot()) {
    const { mode } = await stat(folder)
    // The data folder itself is ours to open.
    if ((mode & 0o001) === 0) await chmod(folder, (mode & 0o777) | 0o011)
  }
  if (known === null && (await account.canEnter(folder))) return inside
  if (known !== null) await assertPlaceIsOurs(folder, known)
  const place = known ?? (await reservePlace(folder, account))
  if (!(await account.canEnter(dirname(place))))
    throw new ConfigError(
      `PostgreSQL does not run as root, and no other user may enter ${dirname(place)}: run the gateway as the user that it ran as before, as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own.`,
    )
  if (!(await exists(place)) && (await hasCluster(inside))) await stopServer(inside)
  await moveCluster(folder, place)
  if ((await exists(place)) && (await hasCluster(inside)))
    throw new ConfigError(
      `There are two databases of the data folder ${folder}: ${place} (named by ${join(folder, POINTER)}) and ${inside}, which an older version may have made since. Stop all gateways, keep both, and move away the one that is not meant: ${inside}, or ${place} (${inside} is taken over then).`,
    )
  return place
}

/** Throws a ConfigError when the place that a data folder names is gone, or belongs to another data folder. */
async function assertPlaceIsOurs(folder: string, place: string): Promise<void> {
  const pointer = join(folder, POINTER)
  const isElsewhere =
    (await exists(place)) || (await hasCluster(join(folder, 'pg'))) || (await exists(join(folder, MOVED)))
  if (!(await exists(dirname(place))) || (!isElsewhere && (await exists(join(folder, FILLED)))))
    throw new ConfigError(
      `${pointer} names the folder of the database, ${place}, and it is not there: bring it back (a data folder and its database are copied together), or begin with a new data folder.`,
    )
  const owner = (await readFile(join(dirname(place), OWNER), 'utf8').catch(() => '')).trim()
  if (owner !== '' && owner !== folder && (await readPlace(owner)) === place)
    throw new ConfigError(
      `${folder} is a copy of the data folder ${owner}, and both name one database, ${place}: copy ${place} as well, and write its new place into ${pointer}.`,
    )
  // It was moved, or is of a version that did not write it down.
  if (owner !== folder) await writeFile(join(dirname(place), OWNER), `${folder}\n`)
}

/** Remembers that there is a database in the place that a data folder names. */
export async function rememberCluster(folder: string): Promise<void> {
  if ((await readPlace(folder)) !== null) await writeFile(join(folder, FILLED), '')
}

/** Whether what is in `place` outlives this container or run of the machine, when what is in `folder` does. */
async function lastsAsLong(place: string, folder: string): Promise<boolean> {
  const [{ dev }, { dev: own }, { type }] = await Promise.all([stat(place), stat(folder), statfs(place)])
  return dev === own || !PASSING_FILE_SYSTEMS.has(type)
}

async function reservePlace(folder: string, account: ServerAccount): Promise<string> {
  const parent = await findOpenFolder(account, LASTING_PARENTS)
  if (!parent || !(await lastsAsLong(parent, folder)))
    throw new ConfigError(
      `PostgreSQL does not run as root, no other user may enter ${folder}, and there is no other place that lasts as long: run the gateway as an ordinary user, put it where others may enter, or set DATABASE_URL to a PostgreSQL of your own.`,
    )
  const own = await mkdtemp(join(parent, 'data-'))
  await chmod(own, 0o711)
  await writeFile(join(own, OWNER), `${folder}\n`)
  const draft = join(folder, `${POINTER}.${basename(own)}`)
  await writeFile(draft, `${join(own, 'pg')}\n`, { flush: true })
  // Of gateways that start at once the first one says where.
  const isFirst = await link(draft, join(folder, POINTER)).then(
    () => true,
    (error) => {
      if (error.code !== 'EEXIST') throw error
      return false
    },
  )
  await rm(draft)
  if (!isFirst) await rm(own, { recursive: true })
  return (await readPlace(folder)) ?? join(own, 'pg')
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
async function findOpenFolder(account: ServerAccount, parents = OPEN_PARENTS): Promise<string | null> {
  for (const parent of parents) {
    const folder = join(parent, 'flo-gateway')
    await mkdir(folder, { mode: 0o711 }).catch(() => {})
    const made = await stat(folder).catch(() => null)
    if (made?.isDirectory() && made.uid === 0 && (made.mode & 0o022) === 0 && (await account.canEnter(folder)))
      return folder
  }
  return null
}

/** Moves the database of a data folder to its place, unless it is there. Of gateways that start at once one is the first. */
async function moveCluster(folder: string, place: string): Promise<void> {
  const inside = join(folder, 'pg')
  const moved = join(folder, MOVED)
  // A database goes from the folder to what is moved to the place, and is looked for in this order: none is missed on its way.
  while (!(await exists(place))) {
    if ((await hasCluster(inside)) && !(await exists(moved)))
      await rename(inside, place).catch((error) => {
        if (error.code === 'EXDEV') return rename(inside, moved).catch(ignoreGone)
        return ignoreGone(error)
      })
    else if (await exists(moved)) await copyFolder(moved, place)
    else if (!(await exists(place))) return
  }
  await rm(moved, { recursive: true, force: true })
  for (const name of await readdir(dirname(place)))
    if (name.startsWith('pg.new-')) await rm(join(dirname(place), name), { recursive: true, force: true })
}

/** Copies a folder to another file system, whole or not at all. Throws a ConfigError when there is no space for it. */
async function copyFolder(from: string, to: string): Promise<void> {
  const draft = await mkdtemp(`${to}.new-`)
  try {
    await runFile('cp', ['-a', `${from}/.`, draft])
    await runFile('sync', [])
    await rename(draft, to)
  } catch (cause) {
    // Another gateway was faster.
    if (await exists(to)) return
    const said = (cause as { stderr?: string }).stderr?.split('\n')[0] || String(cause)
    throw new ConfigError(
      `The database of the data folder could not be moved from ${from} to ${to}, where the user that runs PostgreSQL may enter (${said}): it is whole where it was. Make space there, and start again.`,
      { cause },
    )
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

function ignoreGone(error: NodeJS.ErrnoException) {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
}

const hasCluster = (pgDir: string) => exists(join(pgDir, 'PG_VERSION'))

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )
