import { Counter, collectDefaultMetrics, Registry } from 'prom-client'
import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { RegisteredWorker } from '../workers/worker.ts'
import { createCounters } from './counters.ts'
import { type GaugeReading, registerGauge } from './gauges.ts'
import { createReadingCache } from './reading-cache.ts'
import { readStanding } from './standing.ts'
import { STANDING_GAUGES } from './standing-gauges.ts'

interface MetricsDeps {
  db: Db
  /** All pools of the process; only `db` by default. */
  pools?: readonly Db[]
  log: Log
  worker: RegisteredWorker
  version: string
  /** How many lanes each client has. */
  lanes: number
  /** What is under way in the rooms of this process; null without the role `work`. */
  readLoad: () => { clientsWaiting: number; attemptsInFlight: number; graphileRuns: boolean } | null
}

/** Scrapes usually come every 15 s; a reading that takes the database a second is made once a minute. */
const STANDING_CACHE = { freshMs: 5_000, share: 1 / 50, againMs: 15_000, waitMs: 1_000 }

/**
 * The metrics of one process. `watch` counts what the rooms report; `renderText` is the answer to a scrape. What only the
 * database knows is read at a scrape, at most every 5 s; while the database does not answer, the rest is still shown.
 */
export function createMetrics(deps: MetricsDeps) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  registerProcessGauges(registry, deps)
  registerStandingGauges(registry, deps)
  return { watch: createCounters(registry), contentType: registry.contentType, renderText: () => registry.metrics() }
}

export type Metrics = ReturnType<typeof createMetrics>

function registerProcessGauges(registry: Registry, { db, pools = [db], worker, version, readLoad }: MetricsDeps): void {
  const sumOfPools = (count: (pool: Db) => number) => pools.reduce((sum, pool) => sum + count(pool), 0)
  const addGauge = (name: string, help: string, read: () => GaugeReading, label?: string) =>
    registerGauge(registry, { name, help, label }, read)
  addGauge('flo_info', 'Always 1; its label says which version runs.', () => ({ [version]: 1 }), 'version')
  addGauge(
    'flo_db_pool_connections',
    'Connections of the pools, by state (busy, idle).',
    () => ({
      busy: sumOfPools(({ totalCount, idleCount }) => totalCount - idleCount),
      idle: sumOfPools(({ idleCount }) => idleCount),
    }),
    'state',
  )
  addGauge('flo_db_pool_waiting', 'Statements that wait for a connection of a pool.', () =>
    sumOfPools(({ waitingCount }) => waitingCount),
  )
  addGauge('flo_worker_registered', '1 while the session that keeps this process’s leases lives, else 0.', () =>
    Number(worker.isRegistered()),
  )
  addGauge('flo_graphile_running', '1 while Graphile Worker runs here, 0 while not; only with the role work.', () => {
    const load = readLoad()
    return load && Number(load.graphileRuns)
  })
  addGauge(
    'flo_normalize_clients_waiting',
    'Clients whose lanes wait for their turn in this process.',
    () => readLoad()?.clientsWaiting ?? null,
  )
  addGauge(
    'flo_attempts_in_flight',
    'HTTP tries under way in this process.',
    () => readLoad()?.attemptsInFlight ?? null,
  )
}

function registerStandingGauges(registry: Registry, { db, log, worker, lanes }: MetricsDeps): void {
  const failures = new Counter({
    name: 'flo_standing_failures_total',
    help: 'Readings of the gauges that come from the database which failed; the gauges keep what was read last.',
    registers: [registry],
  })
  const cache = createReadingCache(
    () => readStanding(db, worker.id, lanes),
    STANDING_CACHE,
    (error) => {
      failures.inc()
      log.warn({ err: error }, 'metrics.standing_not_read')
    },
  )
  for (const { read, ...gauge } of STANDING_GAUGES)
    registerGauge(registry, gauge, async () => {
      const standing = await cache.readLatest()
      return standing && read(standing)
    })
  const age = { name: 'flo_standing_age_seconds', help: 'How old the gauges that come from the database are.' }
  registerGauge(registry, age, async () => {
    await cache.readLatest()
    return cache.ageSeconds()
  })
}
