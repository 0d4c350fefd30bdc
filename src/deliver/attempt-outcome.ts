/** How one attempt ended. A client that is down is an ordinary day, not an exception. */
export type AttemptOutcome =
  | { kind: 'delivered'; status: number }
  | { kind: 'refused'; status: number; retryAfterSeconds?: number }
  | { kind: 'gone'; status: 410 } // the client asks us to stop
  | { kind: 'unreachable'; reason: UnreachableReason; message: string }

/**
 * Why no status came. `blocked`: the address is one that nothing may be sent to; `proxy`: our own way out is not there;
 * `gateway`: this machine lacked descriptors, memory, ports or a name server.
 */
export type UnreachableReason = 'timeout' | 'dns' | 'connection' | 'tls' | 'blocked' | 'proxy' | 'gateway'

/** When the next attempt comes: seconds before the 2nd, 3rd, ... one, each lengthened by a random share up to `jitter`. */
export interface RetryPlan {
  schedule: readonly number[]
  jitter: number
}

/** A receiver may ask for patience, but only so much of it: the schedule's end stays in sight. */
const RETRY_AFTER_MAX_SECONDS = 3600

/** What a status and its Retry-After mean. 3xx is a refusal: redirects are never followed. A Retry-After counts with 429 and 503. */
export function outcomeOfStatus(status: number, retryAfter: string | string[] | undefined, now: Date): AttemptOutcome {
  if (status >= 200 && status < 300) return { kind: 'delivered', status }
  if (status === 410) return { kind: 'gone', status }
  const seconds = status === 429 || status === 503 ? retryAfterSeconds(retryAfter, now) : undefined
  return seconds === undefined ? { kind: 'refused', status } : { kind: 'refused', status, retryAfterSeconds: seconds }
}

/**
 * Seconds until the attempt after `attempt` (1-based), or null when there is none: it was delivered, the client asked us
 * to stop, or the schedule is exhausted. A Retry-After that is later than the step counts, for an hour past it at most.
 */
export function nextDelay(
  plan: RetryPlan,
  attempt: number,
  outcome: AttemptOutcome,
  random = Math.random,
): number | null {
  const step = plan.schedule[attempt - 1]
  if (step === undefined) return null
  const delay = step * (1 + plan.jitter * random())
  switch (outcome.kind) {
    case 'delivered':
    case 'gone':
      return null
    case 'refused':
      return Math.max(delay, Math.min(outcome.retryAfterSeconds ?? 0, delay + RETRY_AFTER_MAX_SECONDS))
    case 'unreachable':
      return delay
    default:
      return outcome satisfies never
  }
}

/** How an outcome stands in a row of `attempts`: the status that came, or why none did. */
export function outcomeColumns(outcome: AttemptOutcome): {
  status: number | null
  error: UnreachableReason | null
  errorMessage: string | null
} {
  switch (outcome.kind) {
    case 'delivered':
    case 'refused':
    case 'gone':
      return { status: outcome.status, error: null, errorMessage: null }
    case 'unreachable':
      return { status: null, error: outcome.reason, errorMessage: outcome.message }
    default:
      return outcome satisfies never
  }
}

/** Whether the attempt says nothing of the endpoint, and so uses up none of its schedule. */
export const isExcused = (outcome: AttemptOutcome): boolean =>
  outcome.kind === 'unreachable' && (outcome.reason === 'proxy' || outcome.reason === 'gateway')

const EXCUSED_FIRST_SECONDS = 5
const EXCUSED_MOST_SECONDS = 60

/** Seconds until an attempt is made again that was excused, as `times` before it were: soon, but not all the time. */
export const excusedDelay = (times: number, random = Math.random): number =>
  Math.min(EXCUSED_FIRST_SECONDS * 2 ** times, EXCUSED_MOST_SECONDS) * (1 + 0.2 * random())

/** The seconds that a Retry-After header asks for, given as a number or an HTTP date (RFC 9110 10.2.3); else undefined. */
export function retryAfterSeconds(header: string | string[] | undefined, now: Date): number | undefined {
  const text = (Array.isArray(header) ? header[0] : header)?.trim()
  if (!text) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  const at = parseHttpDate(text, now)
  return at === null ? undefined : Math.max(0, (at - now.getTime()) / 1000)
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const TIME = String.raw`(?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)`
// The three forms of RFC 9110 5.6.7, which all mean UTC. Senders are found that leave out the zone, or write another one.
const DAY_FIRST = new RegExp(
  `^[a-z]{3,9},? (?<day>\\d{1,2})[ -](?<month>[a-z]{3})[a-z]*[ -](?<year>\\d{4}|\\d\\d) ${TIME}(?: (?<zone>GMT|UTC?|Z|[+-]\\d{4}))?$`,
  'i',
)
const ASCTIME = new RegExp(
  `^[a-z]{3} (?<month>[a-z]{3}) +(?<day>\\d{1,2}) ${TIME} (?<year>\\d{4})(?: (?<zone>GMT|UTC?|Z))?$`,
  'i',
)

/** Milliseconds since 1970, whatever the zone of this machine; null: it is no HTTP date. */
function parseHttpDate(text: string, now: Date): number | null {
  const groups = (DAY_FIRST.exec(text) ?? ASCTIME.exec(text))?.groups
  const month = MONTHS.indexOf(String(groups?.month).toLowerCase())
  if (!groups || month < 0) return null
  const [day = 0, hour = 0, minute = 0, second = 0] = [groups.day, groups.hour, groups.minute, groups.second].map(
    Number,
  )
  if (day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return null
  const at = Date.UTC(fullYear(String(groups.year), now), month, day, hour, minute, second)
  const [, sign = '+', hours = '0', minutes = '0'] = /^([+-])(\d\d)(\d\d)$/.exec(groups.zone ?? '') ?? []
  return at - Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) * 60_000
}

/** Of two digits: not more than 50 years ahead, as RFC 9110 says. */
function fullYear(year: string, now: Date): number {
  if (year.length === 4) return Number(year)
  const thisYear = now.getUTCFullYear()
  const inThisCentury = thisYear - (thisYear % 100) + Number(year)
  return inThisCentury > thisYear + 50 ? inThisCentury - 100 : inThisCentury
}
