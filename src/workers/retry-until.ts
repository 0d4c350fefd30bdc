import { setTimeout as delay } from 'node:timers/promises'

const PAUSE_MS = 1000

/** Does `work` once more, a second after each failure, until it succeeds or is not `wanted` any longer. Never rejects. */
export async function insist(
  work: () => unknown,
  { wanted, failed }: { wanted: () => boolean; failed: (error: unknown) => void },
): Promise<void> {
  while (wanted()) {
    try {
      await work()
      return
    } catch (error) {
      failed(error)
      await delay(PAUSE_MS, undefined, { ref: false })
    }
  }
}
