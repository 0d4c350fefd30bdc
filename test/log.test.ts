import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isDatabaseAway } from '../src/database/db.ts'
import { thinRepeated } from '../src/log.ts'
import { compiled } from './support/compiled.ts'

const outage = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' })

function loggingAt() {
  const lines: { msg: string; withheld?: number }[] = []
  const clock = { ms: 0 }
  const log = pino(
    { hooks: { logMethod: thinRepeated(isDatabaseAway, () => clock.ms) } },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  )
  return { lines, clock, log }
}

test('while a database is away, what everybody says of it is written ever more seldom, with how often it was left out', () => {
  const { lines, clock, log } = loggingAt()
  for (clock.ms = 0; clock.ms < 120_000; clock.ms += 10) log.error({ err: outage, clientId: 'c' }, 'normalize.failed')
  expect(lines).toHaveLength(7)
  expect(lines[0]).not.toHaveProperty('withheld')
  expect(lines.slice(0, 4).map(({ withheld }) => withheld)).toEqual([undefined, 99, 199, 399])
})

test('another message, another code and another outage are written at once', () => {
  const { lines, clock, log } = loggingAt()
  log.error({ err: outage }, 'normalize.failed')
  log.error({ err: outage }, 'hydrate.failed')
  log.error({ err: Object.assign(new Error('full'), { code: '53100' }) }, 'normalize.failed')
  log.error({ err: outage }, 'normalize.failed')
  clock.ms = 60_000
  log.error({ err: outage }, 'normalize.failed')
  clock.ms = 60_500
  log.error({ err: outage }, 'normalize.failed')
  expect(lines.map(({ msg }) => msg)).toEqual([
    'normalize.failed',
    'hydrate.failed',
    'normalize.failed',
    'normalize.failed',
  ])
})

test('what is no outage is always written', () => {
  const { lines, log } = loggingAt()
  for (let count = 0; count < 5; count += 1) {
    log.error({ err: new Error('a fault') }, 'normalize.failed')
    log.warn({ clientId: 'c' }, 'source_event.failed')
    log.info('plain')
  }
  expect(lines).toHaveLength(15)
})

const LINES = 20_000
const LOG = new URL('../src/log.ts', import.meta.url).href

/** How a process may end right after it has written a line, while others are still on their way. */
const ends = {
  'by process.exit': 'process.exit(1)',
  'after a fatal line': `log.fatal({ err: new Error('over') }, 'gateway.failed'); process.exit(1)`,
  'by an error that nobody catches': `throw new Error('nobody catches it')`,
  'by a promise that nobody awaits': `Promise.reject(new Error('nobody awaits it'))`,
  'at SIGTERM': `process.on('SIGTERM', () => process.exit(0)); process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`,
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flo-gateway-log-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Writes LINES lines, every second one after the others have had time to begin, and ends in that way. */
function startProgram(end: string, stderr: number | 'pipe') {
  const script = `import { newLog } from ${JSON.stringify(LOG)}
    const log = newLog('info')
    for (let n = 0; n < ${LINES}; n++) {
      if (n === ${LINES / 2}) await new Promise(setImmediate)
      log.info({ n }, 'a line')
    }
    ${end}`
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { PATH: process.env.PATH, ...compiled },
    stdio: ['ignore', 'ignore', stderr],
  })
}

const numbersIn = (text: string) => new Set([...text.matchAll(/"n":(\d+),"msg":"a line"/g)].map(([, n]) => Number(n)))

test.each(Object.entries(ends))('no line is lost in a file when the process ends %s', async (how, end) => {
  const path = join(folder, how)
  const file = openSync(path, 'w')
  await once(startProgram(end, file), 'close')
  closeSync(file)
  expect(numbersIn(readFileSync(path, 'utf8')).size).toBe(LINES)
})

test.each(Object.entries(ends))('no line is lost in a pipe when the process ends %s', async (_how, end) => {
  const program = startProgram(end, 'pipe')
  let text = ''
  program.stderr?.on('data', (chunk) => {
    text += chunk
  })
  await once(program, 'close')
  expect(numbersIn(text).size).toBe(LINES)
})
