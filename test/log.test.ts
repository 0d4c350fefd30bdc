import { pino } from 'pino'
import { expect, test } from 'vitest'
import { isDatabaseAway } from '../src/database/db.ts'
import { thinRepeated } from '../src/log.ts'

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
