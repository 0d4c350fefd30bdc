import { newId } from '../domain/ids.ts'

/** Lets much go on at once, or one thing alone. */
export interface LoneGate {
  /** Which process this is. It outlives a lost session: only a death leaves its marks behind. */
  readonly processId: string
  /** Runs beside others, but never beside what runs alone. */
  runTogether<T>(work: () => Promise<T>): Promise<T>
  /** Waits for all that runs, then runs alone. */
  runAlone<T>(work: () => Promise<T>): Promise<T>
}

export function createLoneGate(): LoneGate {
  const running = new Set<Promise<unknown>>()
  // What waits to run alone goes before what comes after it, so that a stream of others does not keep it waiting.
  let turn: Promise<unknown> = Promise.resolve()
  const track = async <T>(work: () => Promise<T>): Promise<T> => {
    const started = work()
    running.add(started)
    try {
      return await started
    } finally {
      running.delete(started)
    }
  }
  return {
    processId: newId(),
    async runTogether(work) {
      for (let waited: unknown = null; waited !== turn; ) {
        waited = turn
        await turn
      }
      return track(work)
    },
    runAlone(work) {
      const before = turn
      const alone = before.then(async () => {
        await Promise.allSettled(running)
        return work()
      })
      turn = alone.catch(() => {})
      return alone
    },
  }
}
