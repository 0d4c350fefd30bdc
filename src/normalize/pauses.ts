import { setImmediate } from 'node:timers/promises'
import type { Strides } from '../language/strides.ts'

/** So long is worked without a pause: webhooks and attempts of other clients come in between. */
const BUSY_MS = 10

/** Does work to its end, with pauses between strides; throws what the work throws. */
export type StrideRunner = <T>(work: Strides<T>) => Promise<T>

/** A runner for all the work of a batch, so that many short works make a pause as one long one does. */
export function createStrideRunner(): StrideRunner {
  let since = performance.now()
  return async (work) => {
    for (;;) {
      const step = work.next()
      if (step.done) return step.value
      if (performance.now() < since + BUSY_MS) continue
      await setImmediate()
      since = performance.now()
    }
  }
}
