import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Db } from '../database/db.ts'
import type { Log } from '../log.ts'
import type { RegisteredWorker } from '../workers/worker.ts'
import { createCounters } from './counts.ts'
import { gauge, type Reading } from './gauge.ts'
import { createReadingCache } from './remembered.ts'
import { readStanding, type Standing } from './standing.ts'
import { counter } from './tally.ts'

interface MetricsDeps {
  db: Db
  log: Log
  worker: RegisteredWorker
  version: string
  /** How many lanes each client has. */
  lanes: number
  /** What is under way in the rooms of this process; null without the role `work`. */
  readLoad: () => { clientsWaiting: number; attemptsInFlight: number; graphileRuns: boolean } | null
}

/** Scrapes come every 15 s as a rule; what takes a second of the database's time is asked once a minute. */
const STANDING_CACHE = { freshMs: 5_000, share: 1 / 50, againMs: 15_000, waitMs: 1_000 }

/**
 * The metrics of one process. `watch` hears what the rooms tell; `text` is what a scrape gets. What the database knows is
 * read when somebody scrapes, at most every 5 s, and a database that does not answer leaves the scrape whole.
 */
export function createMetrics(deps: MetricsDeps) {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  registerProcessGauges(registry, deps)
  registerDatabaseGauges(registry, deps)
  return { watch: createCounters(registry), contentType: registry.contentType, renderText: () => registry.metrics() }
}

export type Metrics = ReturnType<typeof createMetrics>

function registerProcessGauges(registry: Registry, { db, worker, version, readLoad: work }: MetricsDeps): void {
  const show = (name: string, help: string, read: () => Reading, label?: string) =>
    gauge(registry, { name, help, ...(label && { label }) }, read)
  show('flo_info', 'Always 1; its label says which version runs.', () => ({ [version]: 1 }), 'version')
  show(
    'flo_db_pool_connections',
    'Connections of the pool, by state (busy, idle).',
    () => ({ busy: db.totalCount - db.idleCount, idle: db.idleCount }),
    'state',
  )
  show('flo_db_pool_waiting', 'Statements that wait for a connection of the pool.', () => db.waitingCount)
  show('flo_worker_registered', '1 while the session that keeps this process’s leases lives, else 0.', () =>
    Number(worker.isRegistered()),
  )
  show('flo_graphile_running', '1 while Graphile Worker runs here, 0 while not; only with the role work.', () => {
    const here = work()
    return here && Number(here.graphileRuns)
  })
  show(
    'flo_normalize_clients_waiting',
    'Clients whose lanes wait for their turn in this process.',
    () => work()?.clientsWaiting ?? null,
  )
  show('flo_attempts_in_flight', 'HTTP tries under way in this process.', () => work()?.attemptsInFlight ?? null)
}

function registerDatabaseGauges(registry: Registry, { db, log, worker, lanes }: MetricsDeps): void {
  const failures = counter(registry, {
    name: 'flo_standing_failures_total',
    help: 'Readings of the gauges that come from the database which failed; the gauges keep what was read last.',
  })
  const cache = createReadingCache(
    () => readStanding(db, worker.id, lanes),
    STANDING_CACHE,
    (error) => {
      failures.add(1)
      log.warn({ err: error }, 'metrics.standing_not_read')
    },
  )
  const show = (name: string, help: string, read: (now: Standing) => Reading, label?: string) =>
    gauge(registry, { name, help, ...(label && { label }) }, async () => {
      const now = await cache.readLatest()
      return now && read(now)
    })
  show(
    'flo_deliveries_pending',
    'Deliveries that wait, by when they are due (now, later); 1000000 stands for that many and more.',
    ({ pending }) => pending,
    'due',
  )
  show(
    'flo_deliveries_oldest_due_seconds',
    'How long the longest waiting delivery is past its time, by the breaker of its endpoint (closed, open); 0: none is.',
    ({ oldestDue }) => oldestDue,
    'breaker',
  )
  show(
    'flo_endpoint_breakers',
    'Enabled endpoints by the state of their breaker (closed, open).',
    ({ breakers }) => breakers,
    'state',
  )
  show(
    'flo_endpoints',
    'Endpoints by status: enabled, or why they are disabled (manual, gone, failing).',
    ({ endpoints }) => endpoints,
    'status',
  )
  show(
    'flo_source_events_open',
    'Source events that wait (received, held) or need somebody (failed); 1000000 stands for that many and more.',
    ({ sourceEvents }) => sourceEvents,
    'state',
  )
  show(
    'flo_source_events_oldest_due_seconds',
    'How long the longest waiting source event is past its time; 0: none is.',
    ({ oldestSourceEvent }) => oldestSourceEvent,
  )
  show('flo_runs', 'Long runs under way, by kind (backfill, replay).', ({ running }) => running, 'kind')
  show('flo_hydrations_pending', 'What is to be fetched from Stripe.', ({ hydrations }) => hydrations.pending)
  show(
    'flo_hydration_circuits_open',
    'Sources whose calls to Stripe fail, so that none is made for a time.',
    ({ hydrations }) => hydrations.shut,
  )
  show(
    'flo_sources_signature_failing',
    'Sources whose webhooks are refused for their signatures, and none is right.',
    ({ signaturesFailing }) => signaturesFailing,
  )
  show('flo_workers', 'Processes that are registered, by role (receive, work, api).', ({ workers }) => workers, 'role')
  show(
    'flo_leases_held',
    'Units of work that this process has, by kind (endpoint, lane, hydrate, backfill, replay).',
    ({ leases }) => leases,
    'kind',
  )
  show(
    'flo_partition_days_ahead',
    'Whole days after today for which every partition is made; rows of a day without one go into the default partition.',
    ({ partitionDays }) => partitionDays,
  )
  gauge(
    registry,
    { name: 'flo_standing_age_seconds', help: 'How old the gauges that come from the database are.' },
    async () => {
      await cache.readLatest()
      return cache.ageSeconds()
    },
  )
}
