import { type AttemptOutcome, isExcused } from '../attempt-outcome.ts'

/** How an endpoint's attempts have ended of late. Times are milliseconds since 1970. The circuit breaker's rules: docs/adr/0027-keep-circuit-breaker-state-per-endpoint.md. */
export interface EndpointHealth {
  /** Half minutes, oldest first: when each began, its attempts, and those of them that failed. */
  recent: [at: number, attempts: number, failures: number][]
  /** How the last attempts ended, oldest first, 100 at most: `0` taken, `1` failed. */
  latest: string
  /** Start of the first failure in a row, and how many there are; null and 0 when the last attempt was no failure. */
  failingSince: number | null
  failures: number
  /** While the breaker is open: since when, and when the next attempt may try. */
  breaker: { since: number; probeAt: number } | null
  /** Its failing was reported (operations.v1), and its recovery will be. */
  isFailureReported: boolean
  /** What is not in the database yet: nothing, only counts, or a change that has to be saved at once. */
  unsaved: 'nothing' | 'counts' | 'change'
  /** To be saved with the rest and then reported. `since`: the first failure in a row, or the attempt that succeeded. */
  news: { what: 'failing' | 'recovered'; since: number }[]
}

const BUCKET_MS = 30_000
const WINDOW_MS = 300_000
// A share of five minutes alone opens late where much was taken just before.
const CIRCUIT_BREAKER_OPENS_AT = { attempts: 10, percent: 70, inRow: 50, latest: 100 }
/** From so many failures in a row on, no more attempts are under way than the breaker still lacks to open. */
const CAUTIOUS_FROM = 10
export const PROBE_MS = 30_000
const DAY_MS = 86_400_000
const GIVE_UP_AFTER = { afterMs: 5 * DAY_MS, attempts: 20 }
/** So long without an attempt, and what was before says nothing any more. Longer than a step of any contract's schedule. */
const SILENCE_MS = 2 * DAY_MS

export const newHealth = (): EndpointHealth => ({
  recent: [],
  latest: '',
  failingSince: null,
  failures: 0,
  breaker: null,
  isFailureReported: false,
  unsaved: 'nothing',
  news: [],
})

/** Counts how an attempt ended. A 410 disables the endpoint anyway, and an excused attempt says nothing about it. */
export function countOutcome(health: EndpointHealth, outcome: AttemptOutcome, startedAt: number, now: number): void {
  if (isExcused(outcome)) {
    postponeProbe(health, startedAt)
    return
  }
  forgetAfterSilence(health, now)
  switch (outcome.kind) {
    case 'gone':
      break
    case 'delivered':
      addToBucket(health, { hasFailed: false, now })
      countSuccess(health, startedAt)
      break
    case 'refused':
    case 'unreachable':
      addToBucket(health, { hasFailed: true, now })
      countFailure(health, startedAt, now)
      break
    default:
      outcome satisfies never
  }
}

/**
 * A row of failures is one of attempts that followed each other: after SILENCE_MS without any, counting begins anew. An open
 * breaker stays open, since nothing has shown that the endpoint answers, and its failing stays reported.
 */
function forgetAfterSilence(health: EndpointHealth, now: number): void {
  const last = health.recent.at(-1)
  if (!last || halfMinuteOf(now) - last[0] <= SILENCE_MS) return
  health.latest = ''
  health.failures = 0
  health.failingSince = null
  health.unsaved = 'change'
}

function addToBucket(health: EndpointHealth, { hasFailed, now }: { hasFailed: boolean; now: number }): void {
  const bucket = currentBucket(health, now)
  bucket[1] += 1
  if (hasFailed) bucket[2] += 1
  health.latest = (health.latest + (hasFailed ? '1' : '0')).slice(-CIRCUIT_BREAKER_OPENS_AT.latest)
  if (health.unsaved === 'nothing') health.unsaved = 'counts'
}

function countSuccess(health: EndpointHealth, startedAt: number): void {
  if (health.failures > 0) {
    health.failures = 0
    health.failingSince = null
    health.unsaved = 'change'
  }
  // An attempt that was under way when the breaker opened is no probe.
  if (health.breaker && startedAt >= health.breaker.since) {
    health.breaker = null
    health.recent = []
    health.latest = ''
    health.unsaved = 'change'
  }
  if (health.isFailureReported && !health.breaker) {
    health.isFailureReported = false
    health.news.push({ what: 'recovered', since: startedAt })
  }
}

function countFailure(health: EndpointHealth, startedAt: number, now: number): void {
  health.unsaved = 'change'
  health.failures += 1
  health.failingSince ??= startedAt
  if (!health.breaker) {
    if (failsTooOften(health)) health.breaker = { since: now, probeAt: now + PROBE_MS }
  } else postponeProbe(health, startedAt)
  if (health.isFailureReported || !(health.breaker || now - health.failingSince >= DAY_MS)) return
  health.isFailureReported = true
  health.news.push({ what: 'failing', since: health.failingSince })
}

function postponeProbe({ breaker }: EndpointHealth, startedAt: number): void {
  if (breaker && startedAt >= breaker.since) breaker.probeAt = startedAt + PROBE_MS
}

/**
 * Only failures, for five days and at least twenty, and never two days without an attempt: the endpoint is to be disabled.
 * Asked after each attempt that was counted.
 */
export const isGivenUp = ({ failingSince, failures }: EndpointHealth, now: number): boolean =>
  failingSince !== null && failures >= GIVE_UP_AFTER.attempts && now - failingSince >= GIVE_UP_AFTER.afterMs

/** How many attempts may be under way at once, beside what the endpoint allows: no burst follows when it stops answering. */
export const inFlightWhileFailing = ({ failures }: EndpointHealth): number =>
  failures < CAUTIOUS_FROM ? Number.POSITIVE_INFINITY : Math.max(1, CIRCUIT_BREAKER_OPENS_AT.inRow - failures)

const halfMinuteOf = (now: number) => now - (now % BUCKET_MS)

function currentBucket({ recent }: EndpointHealth, now: number): [number, number, number] {
  const at = halfMinuteOf(now)
  const last = recent.at(-1)
  if (last && last[0] === at) return last
  while (recent[0] && recent[0][0] <= at - WINDOW_MS) recent.shift()
  const bucket: [number, number, number] = [at, 0, 0]
  recent.push(bucket)
  return bucket
}

function failsTooOften({ recent, latest, failures: inRow }: EndpointHealth): boolean {
  if (inRow >= CIRCUIT_BREAKER_OPENS_AT.inRow) return true
  const isFull = latest.length === CIRCUIT_BREAKER_OPENS_AT.latest
  if (isFull && latest.replaceAll('0', '').length >= CIRCUIT_BREAKER_OPENS_AT.percent) return true
  let [attempts, failures] = [0, 0]
  for (const bucket of recent) {
    attempts += bucket[1]
    failures += bucket[2]
  }
  return attempts >= CIRCUIT_BREAKER_OPENS_AT.attempts && 100 * failures >= CIRCUIT_BREAKER_OPENS_AT.percent * attempts
}
