import { LRUCache } from 'lru-cache'

/**
 * A token bucket per key, in this process: `burst` requests at once, `perSecond` in the long run. The result takes one
 * token and answers 0, or takes none and answers the whole seconds to wait (1 or more). DESIGN.md 3: 50/s, burst 500.
 */
export function rateLimiter(now: () => Date, { perSecond = 50, burst = 500 } = {}): (key: string) => number {
  const buckets = new LRUCache<string, { tokens: number; at: number }>({ max: 10_000 })
  return (key) => {
    const at = now().getTime()
    const bucket = buckets.get(key) ?? { tokens: burst, at }
    const earned = (Math.max(0, at - bucket.at) / 1000) * perSecond
    const tokens = Math.min(burst, bucket.tokens + earned)
    const refused = tokens < 1
    buckets.set(key, { tokens: refused ? tokens : tokens - 1, at })
    return refused ? Math.ceil((1 - tokens) / perSecond) : 0
  }
}
