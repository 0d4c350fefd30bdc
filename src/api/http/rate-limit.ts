import { LRUCache } from 'lru-cache'

/** How many requests in a burst, and a second in the long run. */
export interface RequestRate {
  perSecond: number
  burst: number
}

/** The rate of one API key (docs/api.md). */
const PER_KEY: RequestRate = { perSecond: 50, burst: 500 }
const BURST_SECONDS = 10

/** The rate of all keys of a client together, by its quota. */
export const clientRate = (requestsPerSecond: number): RequestRate => ({
  perSecond: requestsPerSecond,
  burst: requestsPerSecond * BURST_SECONDS,
})

/**
 * A token bucket per name, in this process. The function takes a token and returns 0, or takes none and returns the whole
 * seconds to wait, 1 or more.
 */
export function rateLimiter(now: () => Date): (name: string, rate?: RequestRate) => number {
  const buckets = new LRUCache<string, { tokens: number; at: number }>({ max: 10_000 })
  return (key, { perSecond, burst } = PER_KEY) => {
    const at = now().getTime()
    const bucket = buckets.get(key) ?? { tokens: burst, at }
    const earned = (Math.max(0, at - bucket.at) / 1000) * perSecond
    const tokens = Math.min(burst, bucket.tokens + earned)
    const isRefused = tokens < 1
    buckets.set(key, { tokens: isRefused ? tokens : tokens - 1, at })
    return isRefused ? Math.ceil((1 - tokens) / perSecond) : 0
  }
}
