import { isExcused, type Outcome } from '../outcome.ts'

/** How an endpoint's attempts have ended of late. Times are milliseconds since 1970. Rules: DESIGN.md 4. */
export interface Health {
  /** Half minutes, oldest first: when each began, its attempts, and those of them that failed. */
  recent: [at: number, attempts: number, failures: number][]
  /** Start of the first failure in a row, and how many there are; null and 0 when the last attempt was no failure. */
  failingSince: number | null
  failures: number
  /** While the breaker is open: since when, and when the next attempt may try. */
  open: { since: number; probeAt: number } | null
  /** Somebody has been told that it fails. */
  told: boolean
  /** What has happened and was not written down yet: only counted, or of weight. */
  unsaved: 'nothing' | 'counts' | 'change'
  /** To be written down with the rest and then told. `since`: the first failure in a row, or the attempt that got through. */
  news: { what: 'failing' | 'recovered'; since: number }[]
}

const BUCKET_MS = 30_000
const WINDOW_MS = 300_000
const OPENS = { attempts: 10, percent: 70 }
export const PROBE_MS = 30_000
const DAY_MS = 86_400_000
const GIVEN_UP = { afterMs: 5 * DAY_MS, attempts: 20 }

export const newHealth = (): Health => ({
  recent: [],
  failingSince: null,
  failures: 0,
  open: null,
  told: false,
  unsaved: 'nothing',
  news: [],
})

/** Counts how an attempt ended. A 410 ends the endpoint anyhow, and what is excused is not the endpoint's doing. */
export function count(health: Health, outcome: Outcome, startedAt: number, now: number): void {
  if (outcome.kind === 'gone') return
  if (isExcused(outcome)) {
    triedInVain(health, startedAt)
    return
  }
  const bucket = bucketAt(health, now)
  bucket[1] += 1
  if (health.unsaved === 'nothing') health.unsaved = 'counts'
  if (outcome.kind === 'delivered') gotThrough(health, startedAt)
  else {
    bucket[2] += 1
    failed(health, startedAt, now)
  }
}

function gotThrough(health: Health, startedAt: number): void {
  if (health.failures > 0) {
    health.failures = 0
    health.failingSince = null
    health.unsaved = 'change'
  }
  // What was under way when the breaker opened says nothing of now.
  if (health.open && startedAt >= health.open.since) {
    health.open = null
    health.recent = []
    health.unsaved = 'change'
  }
  if (health.told && !health.open) {
    health.told = false
    health.news.push({ what: 'recovered', since: startedAt })
  }
}

function failed(health: Health, startedAt: number, now: number): void {
  health.unsaved = 'change'
  health.failures += 1
  health.failingSince ??= startedAt
  if (!health.open) {
    if (failsMostly(health)) health.open = { since: now, probeAt: now + PROBE_MS }
  } else triedInVain(health, startedAt)
  if (health.told || !(health.open || now - health.failingSince >= DAY_MS)) return
  health.told = true
  health.news.push({ what: 'failing', since: health.failingSince })
}

function triedInVain({ open }: Health, startedAt: number): void {
  if (open && startedAt >= open.since) open.probeAt = startedAt + PROBE_MS
}

/** Nothing but failures for so long, and so many, that nobody seems to be there. */
export const isGivenUp = ({ failingSince, failures }: Health, now: number): boolean =>
  failingSince !== null && failures >= GIVEN_UP.attempts && now - failingSince >= GIVEN_UP.afterMs

function bucketAt({ recent }: Health, now: number): [number, number, number] {
  const at = now - (now % BUCKET_MS)
  const last = recent.at(-1)
  if (last && last[0] === at) return last
  while (recent.length > 0 && recent[0]![0] <= at - WINDOW_MS) recent.shift()
  const bucket: [number, number, number] = [at, 0, 0]
  recent.push(bucket)
  return bucket
}

function failsMostly({ recent }: Health): boolean {
  let [attempts, failures] = [0, 0]
  for (const bucket of recent) {
    attempts += bucket[1]
    failures += bucket[2]
  }
  return attempts >= OPENS.attempts && 100 * failures >= OPENS.percent * attempts
}
