import { describe, expect, test } from 'vitest'
import type { AttemptOutcome } from '../../src/deliver/attempt-outcome.ts'
import { countOutcome, isGivenUp, newHealth } from '../../src/deliver/endpoint/health.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const AT = Date.UTC(2026, 10, 22, 10)
const taken: AttemptOutcome = { kind: 'delivered', status: 200 }
const refused: AttemptOutcome = { kind: 'refused', status: 500 }
const silent: AttemptOutcome = { kind: 'unreachable', reason: 'timeout', message: '' }
const proxied: AttemptOutcome = { kind: 'unreachable', reason: 'proxy', message: '' }

/** Attempts that begin and end at once, `apart` milliseconds from one to the next. */
function fared(outcomes: AttemptOutcome[], { apart = 0, from = AT, health = newHealth() } = {}) {
  for (const [at, outcome] of outcomes.entries()) countOutcome(health, outcome, from + at * apart, from + at * apart)
  return health
}
const times = (n: number, outcome: AttemptOutcome) => Array<AttemptOutcome>(n).fill(outcome)
const isOpen = (outcomes: AttemptOutcome[], how = {}) => fared(outcomes, how).breaker !== null

describe('the breaker opens', () => {
  test('with the tenth attempt, when all have failed, however they did', () => {
    expect(isOpen(times(9, refused))).toBe(false)
    expect(isOpen([...times(5, refused), ...times(5, silent)])).toBe(true)
  })

  test('at seven in ten, and not below', () => {
    expect(isOpen([...times(3, taken), ...times(7, refused)])).toBe(true)
    expect(isOpen([...times(4, taken), ...times(6, refused)])).toBe(false)
    expect(isOpen([...times(100, taken), ...times(233, refused)])).toBe(false)
    expect(isOpen([...times(100, taken), ...times(234, refused)])).toBe(true)
  })

  test('by the last five minutes alone', () => {
    expect(isOpen(times(10, refused), { apart: 30_000 })).toBe(true)
    expect(isOpen(times(100, refused), { apart: 34_000 })).toBe(false)
    const health = fared(times(1000, taken))
    expect(fared(times(10, refused), { from: AT + 6 * MINUTE, health }).breaker).not.toBeNull()
  })

  test('not by a 410, nor by what the proxy did', () => {
    expect(isOpen(times(50, { kind: 'gone', status: 410 }))).toBe(false)
    expect(fared(times(50, proxied))).toMatchObject({ breaker: null, failingSince: null, failures: 0 })
  })
})

describe('an open breaker', () => {
  const opened = () => fared(times(10, refused))

  test('tries half a minute after it opened, and after each attempt that tried in vain', () => {
    const health = opened()
    expect(health.breaker).toEqual({ since: AT, probeAt: AT + 30_000 })
    for (const outcome of [refused, silent, proxied]) {
      const at = (health.breaker?.probeAt ?? Number.NaN) + 5_000
      countOutcome(health, outcome, at, at + 15_000)
      expect(health.breaker).toEqual({ since: AT, probeAt: at + 30_000 })
    }
  })

  test('is closed by the first success, and forgets what was before', () => {
    const health = opened()
    countOutcome(health, taken, AT + 30_000, AT + 30_100)
    expect(health).toMatchObject({ breaker: null, recent: [], failures: 0, failingSince: null })
    expect(fared(times(9, refused), { from: AT + 31_000, health }).breaker).toBeNull()
  })

  test('heeds nothing of what had started before it opened', () => {
    const health = opened()
    countOutcome(health, taken, AT - 1_000, AT + 1_000)
    countOutcome(health, refused, AT - 1_000, AT + 14_000)
    expect(health.breaker).toEqual({ since: AT, probeAt: AT + 30_000 })
  })

  test('is news once, and so is its end', () => {
    const health = fared(times(30, refused))
    expect(health.news.splice(0)).toMatchObject([{ what: 'failing' }])
    fared(times(3, taken), { from: AT + 30_000, health })
    expect(health.news).toMatchObject([{ what: 'recovered' }])
  })
})

describe('an endpoint is given up', () => {
  const isLost = (attempts: number, apart: number) =>
    isGivenUp(fared(times(attempts, refused), { apart }), AT + (attempts - 1) * apart)

  test('when it has failed for five days, twenty times or more', () => {
    expect(isLost(20, (5 * DAY) / 19)).toBe(true)
    expect(isLost(19, (5 * DAY) / 18)).toBe(false)
    expect(isLost(20, (4.9 * DAY) / 19)).toBe(false)
  })

  test('not when one attempt has got through', () => {
    const health = fared([...times(15, refused), taken, ...times(19, refused)], { apart: DAY })
    expect(isGivenUp(health, AT + 40 * DAY)).toBe(false)
    countOutcome(health, refused, AT + 40 * DAY, AT + 40 * DAY)
    expect(isGivenUp(health, AT + 40 * DAY)).toBe(true)
  })
})
