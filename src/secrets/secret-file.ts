import { randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'

/**
 * The text of a file that only its owner can read; the first call generates it. When several processes do so at the same moment,
 * the first wins and all return its text.
 */
export async function loadOrCreateSecret(path: string, generateSecret: () => string): Promise<string> {
  const existing = await readFile(path, 'utf8').catch(() => null)
  if (existing !== null) return existing.trim()
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, `${generateSecret()}\n`, { mode: 0o600, flush: true })
  await link(draft, path).catch((error) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(draft)
  return (await readFile(path, 'utf8')).trim()
}
