import { Counter, collectDefaultMetrics, Registry } from 'prom-client'
import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { RegisteredWorker } from '../workers/worker.ts'
import { createCounters } from './counters.ts'
import { type GaugeReading, registerGauge } from './gauges.ts'
import { registerProcessCounts } from './process-counts.ts'
import { createReadingCache } from './reading-cache.ts'
import { readHeldLeases, readStanding } from './standing.ts'
import { STANDING_GAUGES } from './standing-gauges.ts'
import type { MetricSamples, OwnMetrics } from './whole-metrics.ts'

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
  /** Of a whole of several processes; a process by itself shows its own metrics. */
  whole?: {
    /** Which process this is: the label of what is told for each. */
    process: string
    /** The text of all processes together, of which this one shows what it has itself, and what it has read from the database. */
    renderWhole(own: OwnMetrics, standing: MetricSamples): Promise<string>
  }
}

/** Scrapes usually come every 15 s; a reading that takes the database a second is made once a minute. */
const STANDING_CACHE = { freshMs: 5_000, share: 1 / 50, againMs: 15_000, waitMs: 1_000 }

/**
 * The metrics of one process. `watch` counts what the rooms report; `renderText` is the answer to a scrape. What only the
 * database knows is read at a scrape, at most every 5 s; while the database does not answer, the rest is still shown. In a whole
 * of several processes `renderText` speaks of all of them, and `readOwn` is this one's part of what another one answers.
 */
export function createMetrics(deps: MetricsDeps) {
  const { whole } = deps
  const process = new Registry()
  const counted = new Registry()
  const standing = new Registry()
  if (whole) process.setDefaultLabels({ process: whole.process })
  else registerProcessCounts(counted)
  collectDefaultMetrics({ register: process })
  const failures = new Counter({
    name: 'flo_standing_failures_total',
    help: 'Readings of the gauges that come from the database which failed; the gauges keep what was read last.',
    registers: [counted],
  })
  const onFailed = (error: unknown) => {
    failures.inc()
    deps.log.warn({ err: error }, 'metrics.standing_not_read')
  }
  registerProcessGauges(process, deps, onFailed)
  registerStandingGauges(standing, deps, onFailed)
  const watch = createCounters(counted)
  const readOwn = async (): Promise<OwnMetrics> => ({
    process: await process.getMetricsAsJSON(),
    counted: await counted.getMetricsAsJSON(),
  })
  return {
    watch,
    contentType: process.contentType,
    readOwn,
    renderText: async () =>
      whole
        ? whole.renderWhole(await readOwn(), await standing.getMetricsAsJSON())
        : (await Promise.all([process, counted, standing].map((registry) => registry.metrics()))).join('\n'),
  }
}

export type Metrics = ReturnType<typeof createMetrics>

function registerProcessGauges(
  registry: Registry,
  { db, pools = [db], worker, version, readLoad }: MetricsDeps,
  onFailed: (error: unknown) => void,
): void {
  const sumOfPools = (count: (pool: Db) => number) => pools.reduce((sum, pool) => sum + count(pool), 0)
  const addGauge = (name: string, help: string, read: () => GaugeReading | Promise<GaugeReading>, label?: string) =>
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
  const leases = createReadingCache(() => readHeldLeases(db, worker.id), STANDING_CACHE, onFailed)
  addGauge(
    'flo_leases_held',
    'Units of work that this process has, by kind (endpoint, lane, hydrate, backfill, replay).',
    leases.readLatest,
    'kind',
  )
}

function registerStandingGauges(
  registry: Registry,
  { db, lanes }: MetricsDeps,
  onFailed: (error: unknown) => void,
): void {
  const cache = createReadingCache(() => readStanding(db, lanes), STANDING_CACHE, onFailed)
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
