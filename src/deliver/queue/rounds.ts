import { setTimeout as delay } from 'node:timers/promises'

interface Deps {
  round: () => Promise<void>
  /** Begins of rounds are this far apart while one follows the other. */
  spacingMs: number
  /** After a round that failed. */
  pauseMs: number
  failed: (error: unknown) => void
  ended: () => void
  tasks: { begin(): void; end(): void }
  stopping: () => boolean
}

/** Runs rounds one after another for as long as they are asked for: what is asked during a round gets another one. */
export function rounds({ round, spacingMs, pauseMs, failed, ended, tasks, stopping }: Deps) {
  let running = false
  let again = false

  const run = async () => {
    running = true
    tasks.begin()
    do {
      again = false
      const startedAt = performance.now()
      try {
        await round()
      } catch (error) {
        failed(error)
        again = true
        await delay(pauseMs)
      }
      const spareMs = startedAt + spacingMs - performance.now()
      if (again && spareMs > 1) await delay(spareMs)
    } while (again && !stopping())
    running = false
    ended()
    tasks.end()
  }
  return {
    ask() {
      if (stopping()) return
      if (running) again = true
      else void run()
    },
    running: () => running,
  }
}
