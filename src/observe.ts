import type { Db } from './db.ts'
import type { Log } from './log.ts'
import { newMetrics } from './metrics/metrics.ts'
import { version } from './version.ts'
import { watching } from './watch.ts'
import type { RegisteredWorker } from './worker.ts'

interface Deps extends Pick<Parameters<typeof newMetrics>[0], 'lanes' | 'work'> {
  db: Db
  log: Log
  worker: RegisteredWorker
}

/** Whoever listens to what the rooms tell. */
export function observe(deps: Deps) {
  const metrics = newMetrics({ ...deps, version })
  return { watch: watching(deps, [metrics.watch]), metrics }
}
