import { execFile } from 'node:child_process'
import { chmod, chown, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { ConfigError } from '../errors.ts'

const runFile = promisify(execFile)

/** The account that runs PostgreSQL: our own, or an unprivileged one when we are root, which PostgreSQL refuses to run as. */
export interface ServerAccount {
  /** What to hand to `spawn` so that the program runs as this account. */
  buildCommand(
    program: string,
    args: string[],
  ): { file: string; args: string[]; options: { uid?: number; gid?: number } }
  /** Makes the account the owner of a file or folder. */
  takeOwnership(path: string): Promise<void>
}

interface UnixUser {
  name: string
  uid: number
  gid: number
}

// PostgreSQL needs a user with a name. The first that exists is used.
const UNPRIVILEGED_NAMES = ['postgres', '_postgres', 'nobody']

// Added with setpriv when a parent folder is closed to all but root (/root, or one that mktemp made).
const CAPABILITIES = ['dac_read_search', 'dac_override']

/**
 * The account that can run `program` and enter `dataDir`. As root we let others pass through the data folder itself; a closed
 * folder above it is not ours to open, and is passed with a capability. Throws a ConfigError that names the closed folder when
 * that does not work either.
 */
export async function findAccount(dataDir: string, pgDir: string, program: string): Promise<ServerAccount> {
  if (process.getuid?.() !== 0)
    return { buildCommand: (file, args) => ({ file, args, options: {} }), takeOwnership: async () => {} }
  const { mode } = await stat(dataDir)
  if ((mode & 0o001) === 0) await chmod(dataDir, (mode & 0o777) | 0o011)
  const user = await findUnprivilegedUser(pgDir)
  for (const account of [
    createPlainAccount(user),
    ...CAPABILITIES.map((capability) => addCapability(user, capability)),
  ])
    if (await canReach(account, dataDir, program)) return account
  const closed = (await findClosedParent(user, dataDir)) ?? (await findClosedParent(user, program)) ?? dataDir
  throw new ConfigError(
    `PostgreSQL does not run as root, and user ${user.name} may not enter ${closed}: run the gateway as an ordinary user, ` +
      'put it where others may enter, or set DATABASE_URL to a PostgreSQL of your own.',
  )
}

const createPlainAccount = ({ uid, gid }: UnixUser): ServerAccount => ({
  buildCommand: (file, args) => ({ file, args, options: { uid, gid } }),
  takeOwnership: (path) => chown(path, uid, gid),
})

const addCapability = (user: UnixUser, capability: string): ServerAccount => ({
  buildCommand: (program, args) => ({
    file: 'setpriv',
    args: [
      `--reuid=${user.uid}`,
      `--regid=${user.gid}`,
      '--clear-groups',
      `--inh-caps=-all,+${capability}`,
      `--ambient-caps=-all,+${capability}`,
      `--bounding-set=-all,+${capability}`,
      // PostgreSQL checks its own files with access(2), which otherwise ignores capabilities.
      '--securebits=+no_setuid_fixup',
      program,
      ...args,
    ],
    options: {},
  }),
  takeOwnership: createPlainAccount(user).takeOwnership,
})

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

async function canReach(account: ServerAccount, dataDir: string, program: string): Promise<boolean> {
  const { file, args, options } = account.buildCommand('/bin/sh', [
    '-c',
    'cd "$1" && exec "$2" --version',
    'sh',
    dataDir,
    program,
  ])
  return runFile(file, args, { ...options, cwd: '/' }).then(
    () => true,
    () => false,
  )
}

/** The topmost folder above `path` that the user may not pass. */
async function findClosedParent({ uid, gid }: UnixUser, path: string): Promise<string | undefined> {
  const parent = dirname(path)
  if (parent === path) return undefined
  const above = await findClosedParent({ name: '', uid, gid }, parent)
  if (above) return above
  const { mode, uid: owner, gid: group } = await stat(parent)
  const mayPass = owner === uid ? mode & 0o100 : group === gid ? mode & 0o010 : mode & 0o001
  return mayPass ? undefined : parent
}
