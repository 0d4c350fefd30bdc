import { setTimeout as delay } from 'node:timers/promises'
import { stretch } from './patience.ts'

type Truthy<T> = NonNullable<Exclude<T, false | 0 | ''>>

/**
 * Asks again and again until the check returns something truthy, and returns that. A check that throws (an `expect`, say)
 * is asked again too; its last error is thrown when `timeoutMs` have passed, longer on a busy machine.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { timeoutMs = 40_000, everyMs = 20 } = {},
): Promise<Truthy<T>> {
  const startedAt = performance.now()
  for (;;) {
    let failure: unknown = new Error(`still not so after ${Math.round(performance.now() - startedAt)} ms: ${check}`)
    try {
      const result = await check()
      if (result) return result as Truthy<T>
    } catch (error) {
      failure = error
    }
    if (performance.now() - startedAt > stretch(timeoutMs)) throw failure
    await delay(everyMs)
  }
}
