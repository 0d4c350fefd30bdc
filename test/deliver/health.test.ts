import { describe, expect, test } from 'vitest'
import type { AttemptOutcome } from '../../src/deliver/attempt-outcome.ts'
import { countOutcome, inFlightWhileFailing, isGivenUp, newHealth } from '../../src/deliver/endpoint/health.ts'

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
    expect(isOpen([...times(18, taken), ...times(41, refused)])).toBe(false)
    expect(isOpen([...times(18, taken), ...times(42, refused)])).toBe(true)
  })

  test('by the last five minutes alone', () => {
    expect(isOpen(times(10, refused), { apart: 30_000 })).toBe(true)
    expect(isOpen(times(49, refused), { apart: 34_000 })).toBe(false)
    const health = fared(times(1000, taken))
    expect(fared(times(10, refused), { from: AT + 6 * MINUTE, health }).breaker).not.toBeNull()
  })

  test('with the fiftieth failure in a row, however much was taken before, and however slowly they come', () => {
    expect(isOpen([...times(3000, taken), ...times(49, refused)])).toBe(false)
    expect(isOpen([...times(3000, taken), ...times(50, refused)])).toBe(true)
    expect(isOpen([...times(3000, taken), ...times(49, refused), taken, ...times(20, refused)])).toBe(false)
    expect(isOpen(times(50, refused), { apart: 34_000 })).toBe(true)
    expect(isOpen([...times(30, refused), ...times(10, proxied), ...times(20, silent)], { apart: 34_000 })).toBe(true)
  })

  test('when seventy of the last hundred have failed, in whatever order', () => {
    // Of ten, seven fail: never more than seven in a row.
    const mostlyFailing = [...times(3, taken), ...times(7, refused)]
    const tens = (n: number) => Array.from({ length: n }, () => mostlyFailing).flat()
    expect(isOpen([...times(3000, taken), ...tens(9)])).toBe(false)
    expect(isOpen([...times(3000, taken), ...tens(10)])).toBe(true)
    const lessOften = Array.from({ length: 40 }, () => [...times(4, taken), ...times(6, refused)]).flat()
    expect(isOpen([...times(3000, taken), ...lessOften])).toBe(false)
  })

  test('not by single failures among successes, however many', () => {
    const healthy = Array.from({ length: 2000 }, () => [...times(9, taken), refused]).flat()
    expect(isOpen(healthy)).toBe(false)
  })

  test('by what followed each other: after two days without an attempt counting begins anew', () => {
    const health = fared([...times(3000, taken), ...times(49, refused)])
    const later = AT + 3 * DAY
    expect(fared([refused], { from: later, health })).toMatchObject({ breaker: null, failures: 1, failingSince: later })
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
    expect(isGivenUp(health, AT + 35 * DAY)).toBe(false)
    countOutcome(health, refused, AT + 35 * DAY, AT + 35 * DAY)
    expect(isGivenUp(health, AT + 35 * DAY)).toBe(true)
  })
})

describe('failures long ago do not count', () => {
  const HOUR = DAY / 24
  const failing = (count: number, apart: number, from = AT, health = newHealth()) =>
    fared(times(count, refused), { apart, from, health })
  const isLostAt = (health: ReturnType<typeof newHealth>, at: number) => {
    countOutcome(health, refused, at, at)
    return isGivenUp(health, at)
  }

  test.each([
    ['a month', 30 * DAY],
    ['six days', 6 * DAY],
    ['five days', 5 * DAY],
    ['two days and a minute', 2 * DAY + MINUTE],
  ])('where nothing was sent for %s', (_, silence) => {
    const health = failing(25, 4 * HOUR)
    expect(isLostAt(health, AT + 24 * 4 * HOUR + silence)).toBe(false)
    expect(health).toMatchObject({ failures: 1, failingSince: AT + 24 * 4 * HOUR + silence })
  })

  test('but up to two days without an attempt do not end the row', () => {
    expect(isLostAt(failing(25, 4 * HOUR), AT + 24 * 4 * HOUR + 2 * DAY)).toBe(true)
    expect(isLostAt(failing(20, DAY), AT + 20 * DAY)).toBe(true)
  })

  test('nor what was before the silence, once it fails again for days', () => {
    const again = AT + 30 * DAY
    const health = failing(10, 11 * HOUR, again, failing(100, HOUR))
    expect(isGivenUp(health, again + 9 * 11 * HOUR)).toBe(false)
    // Ten in 100 hours; the twentieth comes after more than five days.
    for (let at = 10; at < 19; at++) expect(isLostAt(health, again + at * 11 * HOUR)).toBe(false)
    expect(isLostAt(health, again + 19 * 11 * HOUR)).toBe(true)
  })

  test('also where only our own proxy failed meanwhile, and where the breaker was open', () => {
    const health = failing(25, MINUTE / 60)
    expect(health.breaker).not.toBeNull()
    for (let day = 1; day < 30; day++) countOutcome(health, proxied, AT + day * DAY, AT + day * DAY)
    expect(isLostAt(health, AT + 30 * DAY)).toBe(false)
    expect(health.breaker).not.toBeNull()
  })

  test('nor does a clock that is set back count as silence', () => {
    const health = failing(25, 5 * HOUR)
    countOutcome(health, refused, AT - 10 * DAY, AT - 10 * DAY)
    expect(health).toMatchObject({ failures: 26, failingSince: AT })
  })

  test('and probes count as the attempts they are', () => {
    const health = failing(10, 0)
    const probes = 5 * 24
    for (let hour = 1; hour < probes; hour++) expect(isLostAt(health, AT + hour * HOUR)).toBe(false)
    expect(isLostAt(health, AT + probes * HOUR)).toBe(true)
  })
})

test('the more failures in a row, the fewer attempts are under way, so that no burst follows the fiftieth', () => {
  const allowed = (n: number) => inFlightWhileFailing(fared(times(n, refused), { apart: 40_000 }))
  expect([0, 9].map(allowed)).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])
  expect([10, 30, 49].map(allowed)).toEqual([40, 20, 1])
  expect(inFlightWhileFailing(fared([...times(30, refused), taken]))).toBe(Number.POSITIVE_INFINITY)
})
