import { execFile } from 'node:child_process'
import { chown, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { ConfigError } from '../errors.ts'

const runFile = promisify(execFile)

/**
 * The account that runs PostgreSQL: our own, or an unprivileged one when we are root, which PostgreSQL refuses to run as. It has
 * no capabilities, so that it reads and writes what that user may.
 */
export interface ServerAccount {
  /** What to hand to `spawn` so that the program runs as this account. */
  buildCommand(
    program: string,
    args: string[],
  ): { file: string; args: string[]; options: { uid?: number; gid?: number } }
  /** Makes the account the owner of a file or folder. */
  takeOwnership(path: string): Promise<void>
  /** Whether it can run a program there. */
  canRun(program: string): Promise<boolean>
  /** Whether it can enter a folder. */
  canEnter(folder: string): Promise<boolean>
}

interface UnixUser {
  name: string
  uid: number
  gid: number
}

// PostgreSQL needs a user with a name. The first that exists is used.
const UNPRIVILEGED_NAMES = ['postgres', '_postgres', 'nobody']

/** Whether programs of another account than ours are to be started. */
export const isRoot = (): boolean => process.getuid?.() === 0

/** The account for the database of this folder, which may not exist yet. Throws a ConfigError where there is none. */
export async function findAccount(pgDir: string): Promise<ServerAccount> {
  if (!isRoot())
    return {
      buildCommand: (file, args) => ({ file, args, options: {} }),
      takeOwnership: async () => {},
      canRun: async () => true,
      canEnter: async () => true,
    }
  const { uid, gid } = await findUnprivilegedUser(pgDir)
  const buildCommand: ServerAccount['buildCommand'] = (file, args) => ({ file, args, options: { uid, gid } })
  const succeeds = (script: string, path: string) => {
    const { file, args, options } = buildCommand('/bin/sh', ['-c', script, 'sh', path])
    return runFile(file, args, { ...options, cwd: '/' }).then(
      () => true,
      () => false,
    )
  }
  return {
    buildCommand,
    takeOwnership: (path) => chown(path, uid, gid),
    canRun: (program) => succeeds('exec "$1" --version', program),
    canEnter: (folder) => succeeds('cd "$1"', folder),
  }
}

/** The owner of an existing database; for a new one the first unprivileged user of this machine. */
async function findUnprivilegedUser(pgDir: string): Promise<UnixUser> {
  const owner = await stat(pgDir).catch(() => null)
  if (owner && owner.uid !== 0) return { name: String(owner.uid), uid: owner.uid, gid: owner.gid }
  for (const name of UNPRIVILEGED_NAMES) {
    const ids = await Promise.all([runFile('id', ['-u', name]), runFile('id', ['-g', name])]).catch(() => null)
    if (ids) return { name, uid: Number(ids[0].stdout), gid: Number(ids[1].stdout) }
  }
  throw new ConfigError(
    `PostgreSQL does not run as root, and this machine has no unprivileged user (${UNPRIVILEGED_NAMES.join(', ')}): add one, run the gateway as an ordinary user, or set DATABASE_URL.`,
  )
}
