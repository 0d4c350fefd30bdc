import type { Config } from './config.ts'
import type { Db } from './database/db.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics/metrics.ts'
import { watchOwnLack } from './metrics/own-lack-watch.ts'
import { version } from './version.ts'
import { combineWatches, type Watch } from './watch.ts'
import type { RegisteredWorker } from './workers/worker.ts'

interface ObserveDeps extends Pick<Parameters<typeof createMetrics>[0], 'lanes' | 'pools' | 'readLoad' | 'whole'> {
  config: Pick<Config, 'otlpEndpoint' | 'serviceName' | 'tracedShare'>
  db: Db
  log: Log
  worker: RegisteredWorker
  /** Other listeners. */
  otherWatches: readonly Watch[]
}

/** Starts the listeners for finished work: metrics always, traces where they are switched on. */
export async function startObservers(deps: ObserveDeps) {
  const { config, log, otherWatches } = deps
  const metrics = createMetrics({ ...deps, version })
  // OpenTelemetry is loaded only where traces are on.
  const traces = config.otlpEndpoint
    ? (await import('./traces/traces.ts')).startTraces({ ...config, url: config.otlpEndpoint, log, version })
    : null
  const { watch: ownLackWatch, readOwnLack } = watchOwnLack({ log, now: () => Date.now() })
  const watches = [metrics.watch, ownLackWatch, ...(traces ? [traces.watch] : []), ...otherWatches]
  return {
    watch: combineWatches({ log }, watches),
    metrics,
    readOwnLack,
    async stop() {
      await traces?.stop()
    },
  }
}

export type Observers = Awaited<ReturnType<typeof startObservers>>
