import { setTimeout as delay } from 'node:timers/promises'
import { createGrowingPause } from '../../workers/growing-pause.ts'

interface LoopOptions {
  runOnce: () => Promise<void>
  /** Runs that follow each other begin this far apart. */
  spacingMs: number
  /** Before the run after one that failed, at first: the pause grows. */
  pauseMs: number
  onFailed: (error: unknown) => void
  onIdle: () => void
  tasks: { begin(): void; end(): void }
  isStopping: () => boolean
}

/** Runs `runOnce` for as long as runs are requested, one run at a time: all requests during a run become the next one. */
export function coalescedLoop({ runOnce, spacingMs, pauseMs, onFailed, onIdle, tasks, isStopping }: LoopOptions) {
  let isLoopRunning = false
  let runAgain = false
  const pause = createGrowingPause({ firstMs: pauseMs })

  const runLoop = async () => {
    isLoopRunning = true
    tasks.begin()
    do {
      runAgain = false
      const startedAt = performance.now()
      try {
        await runOnce()
        pause.reset()
      } catch (error) {
        onFailed(error)
        runAgain = true
        await delay(pause.next())
      }
      const spareMs = startedAt + spacingMs - performance.now()
      if (runAgain && spareMs > 1) await delay(spareMs)
    } while (runAgain && !isStopping())
    isLoopRunning = false
    onIdle()
    tasks.end()
  }
  return {
    requestRun() {
      if (isStopping()) return
      if (isLoopRunning) runAgain = true
      else void runLoop()
    },
    isRunning: () => isLoopRunning,
  }
}
