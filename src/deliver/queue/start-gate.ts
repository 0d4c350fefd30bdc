import { PROBE_MS } from '../endpoint/health.ts'
import type { Pump } from './pump.ts'

/** The next attempt may start when one that is under way has ended. */
export const AFTER_ANOTHER_ENDS = Number.POSITIVE_INFINITY

/**
 * When the pump's next attempt may start: 0 for now, AFTER_ANOTHER, or a moment in milliseconds since 1970. `asked` are
 * those that have been let through already and have not started. The endpoint must be known. Rules: DESIGN.md 4.
 */
export function nextStartAt(pump: Pump, asked: number, now: () => Date): number {
  const { maxInFlight, rateLimit, health } = pump.endpoint!
  if (pump.sending + asked >= maxInFlight) return AFTER_ANOTHER_ENDS
  if (!health.breaker && !rateLimit) return 0
  const at = now().getTime()
  if (health.breaker) {
    if (pump.isProbing || asked > 0) return AFTER_ANOTHER_ENDS
    if (isStillAhead(health.breaker.probeAt, at, PROBE_MS)) return health.breaker.probeAt
  }
  if (!rateLimit) return 0
  const { count, seconds } = rateLimit
  if (asked >= count) return AFTER_ANOTHER_ENDS
  const oldest = pump.starts.at(asked - count)
  if (oldest === undefined) return 0
  return isStillAhead(oldest + seconds * 1000, at, seconds * 1000) ? oldest + seconds * 1000 : 0
}

/** The breaker or the rate limit, as far as the pump knows, lets nothing start for a time. */
export function mustWaitForTime(pump: Pump, now: () => Date): boolean {
  if (pump.endpoint === null) return false
  const at = nextStartAt(pump, 0, now)
  return at > 0 && at !== AFTER_ANOTHER_ENDS
}

// Further ahead than it could have been set: the clock was set back since.
const isStillAhead = (moment: number, now: number, within: number) => moment > now && moment <= now + within

/** Counts an attempt as started; answers whether it is the one that tries whether the breaker may close. */
export function countStart(pump: Pump, now: () => Date): { isProbe: boolean } {
  const { health, rateLimit } = pump.endpoint!
  pump.sending += 1
  if (rateLimit) {
    pump.starts.push(now().getTime())
    if (pump.starts.length > rateLimit.count) pump.starts.splice(0, pump.starts.length - rateLimit.count)
  }
  const isProbe = health.breaker !== null
  if (isProbe) pump.isProbing = true
  return { isProbe }
}

/** And as ended. */
export function countEnd(pump: Pump, { isProbe }: { isProbe: boolean }): void {
  pump.sending -= 1
  if (isProbe) pump.isProbing = false
}
