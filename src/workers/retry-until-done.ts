import { setTimeout as delay } from 'node:timers/promises'
import { createGrowingPause } from './growing-pause.ts'

const PAUSE_MS = 1000

/** Does `work` once more after each failure, a second later at first, until it succeeds or is not `wanted` any longer. Never rejects. */
export async function retryUntilDone(
  work: () => unknown,
  { isWanted, onFailed }: { isWanted: () => boolean; onFailed: (error: unknown) => void },
): Promise<void> {
  const pause = createGrowingPause({ firstMs: PAUSE_MS })
  while (isWanted()) {
    try {
      await work()
      return
    } catch (error) {
      onFailed(error)
      await delay(pause.next(), undefined, { ref: false })
    }
  }
}
