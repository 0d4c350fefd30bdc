// One seed: a rare case that is found by chance belongs into a test of its own, not into somebody else's build. Whoever looks
// for such cases gives a walk its seconds, and gets another seed each time.
const seconds = Number(process.env.FLO_WALK ?? 0)

/** How far a walk over arbitrary cases goes, for fast-check: what it finds is printed with its seed. */
export const walk = (numRuns: number) =>
  seconds > 0
    ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: seconds * 1000, markInterruptAsFailure: false }
    : { numRuns, seed: 20_261_122 }

/** Milliseconds that a walk may take. */
export const WALK_TIMEOUT_MS = 240_000 + seconds * 1000
