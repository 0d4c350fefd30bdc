import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const src = fileURLToPath(new URL('../../src', import.meta.url))
const ROOMS = [
  'receive',
  'normalize',
  'hydrate',
  'fanout',
  'deliver',
  'backfill',
  'replay',
  'retention',
  'operations',
  'api',
  'dashboard',
  'simulator',
]
// Only they know more than one room: they hand the rooms to one another.
const ABOVE = ['main.ts', 'jobs.ts']

/** Every import of our own files, as `{ from, to }`, both relative to src. */
const imports = globSync('**/*.ts', { cwd: src }).flatMap((from) => {
  const specifiers = readFileSync(`${src}/${from}`, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)
  return [...specifiers].map(([, to = '']) => ({ from, to: new URL(to, `file:///${from}`).pathname.slice(1) }))
})
const roomOf = (path: string) => ROOMS.find((room) => path.startsWith(`${room}/`))

test('rooms do not import one another', () => {
  const across = imports.filter(({ from, to }) => roomOf(from) && roomOf(to) && roomOf(from) !== roomOf(to))
  expect(across).toEqual([])
})

test('shared files import no room, but for main.ts and jobs.ts', () => {
  const shared = ({ from }: { from: string }) => !from.includes('/') && !ABOVE.includes(from)
  expect(imports.filter(shared).filter(({ to }) => roomOf(to))).toEqual([])
})

test('every file is found by its import, and the rooms are where this test looks for them', () => {
  expect(imports.length).toBeGreaterThan(100)
  expect(ROOMS.filter((room) => imports.some(({ from }) => roomOf(from) === room)).length).toBeGreaterThanOrEqual(5)
})
