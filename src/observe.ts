import type { Config } from './config.ts'
import type { Db } from './database/db.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics/metrics.ts'
import { version } from './version.ts'
import { combineWatches, type Watch } from './watch.ts'
import type { RegisteredWorker } from './workers/worker.ts'

interface ObserveDeps extends Pick<Parameters<typeof createMetrics>[0], 'lanes' | 'readLoad'> {
  config: Pick<Config, 'otlpEndpoint' | 'serviceName' | 'tracedShare'>
  db: Db
  log: Log
  worker: RegisteredWorker
  /** Who listens beside them. */
  otherWatches: readonly Watch[]
}

/** Whoever listens to what the rooms tell: metrics always, traces where they are switched on. */
export async function startObservers(deps: ObserveDeps) {
  const { config, log, otherWatches: others } = deps
  const metrics = createMetrics({ ...deps, version })
  // What makes and sends traces is not even loaded otherwise.
  const traces = config.otlpEndpoint
    ? (await import('./traces/traces.ts')).startTraces({ ...config, url: config.otlpEndpoint, log, version })
    : null
  return {
    watch: combineWatches({ log }, [metrics.watch, ...(traces ? [traces.watch] : []), ...others]),
    metrics,
    async stop() {
      await traces?.stop()
    },
  }
}
