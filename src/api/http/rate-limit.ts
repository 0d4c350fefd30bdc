import { LRUCache } from 'lru-cache'

/** Requests at once, and a second in the long run. */
interface RequestRate {
  perSecond: number
  burst: number
}

/** What one API key may ask. Rule: DESIGN.md 3. */
const PER_KEY: RequestRate = { perSecond: 50, burst: 500 }
const BURST_SECONDS = 10

/** What all keys of a client may ask together, by its quota. */
export const clientRate = (requestsPerSecond: number): RequestRate => ({
  perSecond: requestsPerSecond,
  burst: requestsPerSecond * BURST_SECONDS,
})

/**
 * A token bucket per name, in this process. The result takes one token and answers 0, or takes none and answers the whole
 * seconds to wait (1 or more).
 */
export function rateLimiter(now: () => Date): (name: string, rate?: RequestRate) => number {
  const buckets = new LRUCache<string, { tokens: number; at: number }>({ max: 10_000 })
  return (key, { perSecond, burst } = PER_KEY) => {
    const at = now().getTime()
    const bucket = buckets.get(key) ?? { tokens: burst, at }
    const earned = (Math.max(0, at - bucket.at) / 1000) * perSecond
    const tokens = Math.min(burst, bucket.tokens + earned)
    const refused = tokens < 1
    buckets.set(key, { tokens: refused ? tokens : tokens - 1, at })
    return refused ? Math.ceil((1 - tokens) / perSecond) : 0
  }
}
