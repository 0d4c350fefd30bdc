import { randomBytes } from 'node:crypto'
import { chmod, link, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { ConfigError } from '../errors.ts'
import type { Log } from '../log.ts'

const OTHERS = 0o077

/**
 * The text of a file that only its owner can read; the first call generates it. When several processes do so at the same moment,
 * the first wins and all return its text. A file that others can read is closed to them, and the log says so: who read it before
 * knows the secret. Throws a ConfigError when it cannot be closed.
 */
export async function loadOrCreateSecret(
  path: string,
  { generateSecret, log }: { generateSecret: () => string; log: Log },
): Promise<string> {
  const existing = await readFile(path, 'utf8').catch(() => null)
  if (existing !== null) {
    await closeToOthers(path, log)
    return existing.trim()
  }
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, `${generateSecret()}\n`, { mode: 0o600, flush: true })
  await link(draft, path).catch((error) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(draft)
  return (await readFile(path, 'utf8')).trim()
}

async function closeToOthers(path: string, log: Log): Promise<void> {
  // Windows has no such bits.
  if (process.platform === 'win32') return
  const { mode } = await stat(path)
  if ((mode & OTHERS) === 0) return
  await chmod(path, mode & 0o700).catch((cause) => {
    throw new ConfigError(
      `Others than its owner can read ${path}, and it cannot be closed to them (${cause.code}): run "chmod 600 ${path}" as its owner, and change what it holds if others may have read it.`,
      { cause },
    )
  })
  log.warn({ path, mode: (mode & 0o777).toString(8) }, 'secrets.file_was_open')
}
