import { setTimeout as delay } from 'node:timers/promises'

type Truthy<T> = NonNullable<Exclude<T, false | 0 | ''>>

/**
 * Asks again and again until the check returns something truthy, and returns that. A check that throws (an `expect`, say)
 * is asked again too; its last error is thrown when `timeoutMs` have passed.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { timeoutMs = 40_000, everyMs = 20 } = {},
): Promise<Truthy<T>> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    let failure: unknown = new Error(`still not so after ${timeoutMs} ms: ${check}`)
    try {
      const result = await check()
      if (result) return result as Truthy<T>
    } catch (error) {
      failure = error
    }
    if (performance.now() > deadline) throw failure
    await delay(everyMs)
  }
}
