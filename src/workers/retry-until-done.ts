import { setTimeout as delay } from 'node:timers/promises'

const PAUSE_MS = 1000

/** Does `work` once more, a second after each failure, until it succeeds or is not `wanted` any longer. Never rejects. */
export async function retryUntilDone(
  work: () => unknown,
  { isWanted, onFailed }: { isWanted: () => boolean; onFailed: (error: unknown) => void },
): Promise<void> {
  while (isWanted()) {
    try {
      await work()
      return
    } catch (error) {
      onFailed(error)
      await delay(PAUSE_MS, undefined, { ref: false })
    }
  }
}
