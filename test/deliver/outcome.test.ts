import { describe, expect, test } from 'vitest'
import { nextDelay, outcomeOfStatus, retryAfterSeconds } from '../../src/deliver/attempt-outcome.ts'

const now = new Date('2026-11-22T10:00:00Z')
const plan = { schedule: [5, 30, 300], jitter: 0.2 }
const refused = { kind: 'refused', status: 500 } as const
const asking = (retryAfterSeconds: number) => ({ kind: 'refused', status: 429, retryAfterSeconds }) as const

describe('nextDelay', () => {
  test('follows the schedule, lengthened by a random share, and ends with it', () => {
    expect([1, 2, 3, 4].map((attempt) => nextDelay(plan, attempt, refused, () => 0))).toEqual([5, 30, 300, null])
    expect(nextDelay(plan, 2, refused, () => 0.999)).toBeCloseTo(36, 1)
  })

  test('an unreachable receiver is tried again like one that refuses', () => {
    expect(nextDelay(plan, 1, { kind: 'unreachable', reason: 'dns', message: '' }, () => 0)).toBe(5)
  })

  test('there is none after success, after 410, or with an empty schedule', () => {
    expect(nextDelay(plan, 1, { kind: 'delivered', status: 200 })).toBeNull()
    expect(nextDelay(plan, 1, { kind: 'gone', status: 410 })).toBeNull()
    expect(nextDelay({ schedule: [], jitter: 0.2 }, 1, asking(60))).toBeNull()
  })

  test('the later of Retry-After and the step counts, an hour past the step at most', () => {
    expect(nextDelay(plan, 1, asking(3), () => 0)).toBe(5)
    expect(nextDelay(plan, 1, asking(120), () => 0)).toBe(120)
    expect(nextDelay(plan, 1, asking(1e9), () => 0)).toBe(3605)
    expect(nextDelay(plan, 3, asking(0), () => 0)).toBe(300)
  })
})

describe('retryAfterSeconds', () => {
  test.each([
    ['120', 120],
    [' 7 ', 7],
    ['0', 0],
    ['Sun, 22 Nov 2026 10:02:00 GMT', 120],
    ['Sunday, 22-Nov-26 10:02:00 GMT', 120],
    ['Sun Nov 22 10:02:00 2026 GMT', 120],
    ['Sun, 22 Nov 2026 09:00:00 GMT', 0],
  ])('reads %j', (header, seconds) => {
    expect(retryAfterSeconds(header, now)).toBe(seconds)
  })

  test.each([
    '',
    'soon',
    '-5',
    '1.5',
    '1e9',
    'May',
    '2026-11-22',
    'Sun, 99 Foo 2026',
    '99999999999999999999',
    undefined,
  ])('ignores %j', (header) => {
    expect(retryAfterSeconds(header, now)).toBeUndefined()
  })
})

describe('outcomeOf', () => {
  test('any 2xx is delivered, 410 is gone, all else is refused', () => {
    expect([200, 204, 299].map((status) => outcomeOfStatus(status, undefined, now).kind)).toEqual(
      Array(3).fill('delivered'),
    )
    expect(outcomeOfStatus(410, undefined, now).kind).toBe('gone')
    expect([301, 308, 400, 404, 500].map((status) => outcomeOfStatus(status, undefined, now).kind)).toEqual(
      Array(5).fill('refused'),
    )
  })

  test('Retry-After counts with 429 and 503 alone', () => {
    expect(outcomeOfStatus(429, '60', now)).toMatchObject({ retryAfterSeconds: 60 })
    expect(outcomeOfStatus(503, '60', now)).toMatchObject({ retryAfterSeconds: 60 })
    expect(outcomeOfStatus(500, '60', now)).not.toHaveProperty('retryAfterSeconds')
  })
})

test('an HTTP date is UTC in each of its forms, whatever the zone of the machine', () => {
  const now = new Date('2026-11-22T10:00:00Z')
  const zone = process.env.TZ
  try {
    for (process.env.TZ of ['America/Los_Angeles', 'Asia/Kolkata', 'UTC']) {
      for (const form of [
        'Sun, 22 Nov 2026 10:02:00 GMT',
        'Sunday, 22-Nov-26 10:02:00 GMT',
        'Sun Nov 22 10:02:00 2026',
        'Sun, 22 Nov 2026 10:02:00',
        'Sun, 22 Nov 2026 11:02:00 +0100',
      ])
        expect(retryAfterSeconds(form, now), `${form} in ${process.env.TZ}`).toBe(120)
      expect(retryAfterSeconds('Sun Nov  1 10:02:00 2026', now)).toBe(0)
      expect(retryAfterSeconds('Sunday, 06-Nov-94 08:49:37 GMT', now)).toBe(0)
      expect(retryAfterSeconds('Sun, 22 Nov 2026 25:00:00 GMT', now)).toBeUndefined()
    }
  } finally {
    if (zone === undefined) delete process.env.TZ
    else process.env.TZ = zone
  }
})
