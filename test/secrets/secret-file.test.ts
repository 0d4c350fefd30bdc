import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import { beforeEach, expect, test } from 'vitest'
import { loadOrCreateSecret } from '../../src/secrets/secret-file.ts'
import { temporaryFolder } from '../support/gateway.ts'

let path: string
const lines: { msg: string; path: string }[] = []
const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) })
beforeEach(async () => {
  path = join(await temporaryFolder(), 'secret')
  lines.length = 0
})
const load = () => loadOrCreateSecret(path, { generateSecret: () => 'made', log })
const modeOf = async () => (await stat(path)).mode & 0o777

test('a secret is made once, and only its owner can read it', async () => {
  expect(await load()).toBe('made')
  expect(await modeOf()).toBe(0o600)
  await writeFile(path, 'kept\n')
  expect(await load()).toBe('kept')
  expect(lines).toEqual([])
})

test.each([0o644, 0o640, 0o604, 0o620])(
  'a file with the mode %o is closed to others, and the log says so',
  async (mode) => {
    await writeFile(path, 'kept\n')
    await chmod(path, mode)
    expect(await load()).toBe('kept')
    expect(await modeOf()).toBe(0o600)
    expect(lines).toMatchObject([{ msg: 'secrets.file_was_open', path }])
    expect(await readFile(path, 'utf8')).toBe('kept\n')
  },
)
