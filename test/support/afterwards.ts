import { afterAll, onTestFinished, TestRunner } from 'vitest'

/** Cleans up after the running test, or after the file when none runs yet. (vitest passes over an `afterAll` in a test.) */
export function afterwards(work: () => Promise<unknown>) {
  if (TestRunner.getCurrentTest()) onTestFinished(async () => void (await work()))
  else afterAll(work)
}
