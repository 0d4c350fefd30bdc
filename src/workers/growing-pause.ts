/** Milliseconds to wait between tries that fail: each pause is twice the one before, and short again after a success. */
export interface GrowingPause {
  next(): number
  reset(): void
}

/** 0.5 s at first, 5 s at most: what is away for long is asked seldom, and found soon when it is back. */
export function createGrowingPause({ firstMs = 500, longestMs = 5000 } = {}): GrowingPause {
  let pauseMs = firstMs
  return {
    next() {
      const current = pauseMs
      pauseMs = Math.min(2 * pauseMs, longestMs)
      return current
    },
    reset() {
      pauseMs = firstMs
    },
  }
}
