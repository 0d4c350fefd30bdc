import { expect } from 'vitest'

/**
 * Cases of one test that mostly wait and share nothing, all at once. What they start is ended with the test, and each one that
 * fails is told by its name. (Tests that run at once could not say whose the things are that they started.)
 */
export async function runSideBySide(cases: Readonly<Record<string, () => Promise<unknown>>>): Promise<void> {
  const names = Object.keys(cases)
  const ended = await Promise.allSettled(Object.values(cases).map((run) => run()))
  const failures = ended.flatMap((one, at) =>
    one.status === 'rejected' ? [`${names[at]}: ${one.reason?.stack ?? one.reason}`] : [],
  )
  expect(failures).toEqual([])
}
