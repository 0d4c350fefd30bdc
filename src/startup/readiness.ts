import type { SpaceWatch } from '../database/space.ts'
import type { Jobs } from '../jobs.ts'
import type { Observers } from '../observe.ts'
import type { RegisteredWorker } from '../workers/worker.ts'

/** Whether a process can do all that its roles ask of it; `details` has the state of each part. */
export interface Readiness {
  isReady: boolean
  details: Record<string, unknown>
}

interface ReadinessDeps {
  worker: Pick<RegisteredWorker, 'isRegistered'>
  space: SpaceWatch
  /** Left out without the role `work`. */
  jobs: Pick<Jobs, 'isRunning'> | undefined
  observers: Pick<Observers, 'readOwnLack'>
}

/** What this process has at present, and what it lacks. */
export function readReadiness({ worker, space, jobs, observers }: ReadinessDeps): Readiness {
  const details = {
    database: worker.isRegistered(),
    space: space.isEnough(),
    ...(jobs && { work: jobs.isRunning() }),
  }
  // Told, and no reason to take in nothing: what comes in waits for the way out.
  const ownLack = observers.readOwnLack()
  return { isReady: Object.values(details).every(Boolean), details: { ...details, ...(ownLack && { ownLack }) } }
}
