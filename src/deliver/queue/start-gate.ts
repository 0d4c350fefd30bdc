import type { Endpoint } from '../endpoint/endpoint.ts'
import { inFlightWhileFailing, PROBE_MS } from '../endpoint/health.ts'
import type { Pump } from './pump.ts'

/** The next attempt may start when one that is under way has ended. */
export const AFTER_ANOTHER_ENDS = Number.POSITIVE_INFINITY

/**
 * When the pump's next attempt at `endpoint` may start: 0 for now, AFTER_ANOTHER_ENDS, or a moment in milliseconds since
 * 1970. `notStarted` counts those that were let through already and have not started. In this order: at most `maxInFlight`
 * at once, and fewer after many failures in a row; while the breaker is open one probe every 30 s; at most so many starts in the rate limit's span.
 */
export function nextStartAt(
  pump: Pump,
  { maxInFlight, rateLimit, health }: Endpoint,
  { notStarted, now }: { notStarted: number; now: () => Date },
): number {
  if (pump.sending + notStarted >= Math.min(maxInFlight, inFlightWhileFailing(health))) return AFTER_ANOTHER_ENDS
  if (!health.breaker && !rateLimit) return 0
  const at = now().getTime()
  if (health.breaker) {
    if (pump.isProbing || notStarted > 0) return AFTER_ANOTHER_ENDS
    if (isStillAhead(health.breaker.probeAt, at, PROBE_MS)) return health.breaker.probeAt
  }
  if (!rateLimit) return 0
  const { count, seconds } = rateLimit
  if (notStarted >= count) return AFTER_ANOTHER_ENDS
  const oldest = pump.starts.at(notStarted - count)
  if (oldest === undefined) return 0
  return isStillAhead(oldest + seconds * 1000, at, seconds * 1000) ? oldest + seconds * 1000 : 0
}

/** The breaker or the rate limit, as far as the pump knows, lets nothing start for a time. */
export function mustWaitForTime(pump: Pump, now: () => Date): boolean {
  if (pump.endpoint === null) return false
  const at = nextStartAt(pump, pump.endpoint, { notStarted: 0, now })
  return at > 0 && at !== AFTER_ANOTHER_ENDS
}

// A moment further ahead than it could have been set says that the clock was set back since.
const isStillAhead = (moment: number, now: number, within: number) => moment > now && moment <= now + within

/**
 * Counts an attempt at `endpoint` as started, and against its rate limit; with an open breaker it is the probe. The
 * function returned counts it as ended, and is to be called once.
 */
export function countStart(pump: Pump, { health, rateLimit }: Endpoint, now: () => Date): () => void {
  pump.sending += 1
  if (rateLimit) {
    pump.starts.push(now().getTime())
    if (pump.starts.length > rateLimit.count) pump.starts.splice(0, pump.starts.length - rateLimit.count)
  }
  const isProbe = health.breaker !== null
  if (isProbe) pump.isProbing = true
  return () => {
    pump.sending -= 1
    if (isProbe) pump.isProbing = false
  }
}
