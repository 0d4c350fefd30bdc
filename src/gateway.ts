import { resolve } from 'node:path'
import type { Offers } from '../mappings/offer.ts'
import { createFirstAdminKey } from './api/resources/create-api-key.ts'
import type { Config } from './config.ts'
import { openClientGroups } from './database/client-groups.ts'
import { createDatabaseClock, type DatabaseClock } from './database/clock.ts'
import { explainDatabaseFailure } from './database/connect-trouble.ts'
import { cutConnections, isDatabaseAway } from './database/db.ts'
import { startSpaceWatch } from './database/space.ts'
import { setIdClock } from './domain/ids.ts'
import { fanOut } from './fanout/fanout.ts'
import { type Jobs, startJobs } from './jobs.ts'
import type { Log } from './log.ts'
import type { OwnMetrics } from './metrics/whole-metrics.ts'
import { createHttpServer, type HttpServer } from './network/http-server.ts'
import { createHostNames } from './network/names/host-names.ts'
import { startObservers } from './observe.ts'
import { loadOffers } from './offers.ts'
import { createOperationsNotifier } from './operations/operations.ts'
import { LANES } from './receive/lane.ts'
import { startRooms, wakeRoomsElsewhere } from './rooms.ts'
import { checkKeys, type DatabaseAddress, openDatabase, startDatabase } from './startup/database.ts'
import { gatewayRoutes } from './startup/http-routes.ts'
import { type Readiness, readReadiness } from './startup/readiness.ts'
import { openRolePools } from './startup/role-pools.ts'
import { createStopList, type StopList } from './startup/stop-list.ts'
import type { Whole } from './startup/whole.ts'
import type { Watch } from './watch.ts'
import { retryUntilDone } from './workers/retry-until-done.ts'
import { createWakes } from './workers/wakes.ts'
import { registerWorker } from './workers/worker.ts'

export interface Gateway {
  /** Where it listens, e.g. `http://127.0.0.1:8080`. */
  url: string
  /** Where the embedded database and the generated keys are; undefined with a DATABASE_URL. */
  dataDir: string | undefined
  /** The first admin key, made when the database has none and FLO_ADMIN_KEY is unset; nobody can read it again. */
  adminKey: string | undefined
  /** Drains: answers the requests and records the deliveries under way, then stops the rest. */
  stop(): Promise<void>
  /** For a process that ends at once: tells the embedded database to end as well, and waits for nothing. */
  abandon(): void
}

/** A gateway of one process, or one of the processes of a gateway. */
export interface GatewayProcess extends Gateway {
  /** What it tells of itself to those that speak for all processes. */
  readMetrics(): Promise<OwnMetrics>
  readReadiness(): Readiness
}

export interface GatewayOptions {
  log: Log
  /** The clock of this machine, by which is signed and verified. */
  now?: () => Date
  /** The clock that durations are counted by: the database's, unless another one is handed in. */
  clock?: Pick<DatabaseClock, 'now' | 'learn'>
  random?: () => number
  /** The embedded database has ended without being asked to: nothing works any more. */
  onDatabaseCrash?: () => void
  /** Hears what metrics and traces hear. */
  watch?: Watch
  /** The others, where this is one of several processes under one parent. */
  whole?: Whole
}

/**
 * Starts a gateway: port, database, worker, rooms and jobs, routes, in this order, and stops what has been started when a step
 * fails. Throws a ConfigError, to be shown without its stack, for what the operator has to change.
 */
export async function startGateway(config: Config, options: GatewayOptions): Promise<GatewayProcess> {
  const started = createStopList(options.log)
  try {
    return await startParts(config, options, started)
  } catch (error) {
    // While the database is away, each part would say so once more as it is stopped.
    await started.stopAll(isDatabaseAway(error) ? isDatabaseAway : undefined)
    throw (config.databaseUrl && explainDatabaseFailure(error, config.databaseUrl)) || error
  }
}

async function startParts(config: Config, options: GatewayOptions, started: StopList): Promise<GatewayProcess> {
  const { whole } = options
  const ownClock = createDatabaseClock()
  if (!options.clock) setIdClock(() => ownClock.latest().getTime())
  started.add(async () => setIdClock())
  const offers = await loadOffers(config.contracts)
  const http = createHttpServer(config)
  const takePort = async () => {
    await http.listen()
    whole?.onListening(http.url)
  }
  if (!whole?.isReplacement) await takePort()
  started.add(http.drain)
  const startedHere = whole ? undefined : await startDatabase(config, options, started)
  const address = startedHere ?? (await whole?.awaitDatabase())
  if (!address) throw new Error('There is no database.')
  const base = await startBase(config, { ...options, address, clock: options.clock ?? ownClock }, started)
  const { shared, ...running } = await startRoomsAndJobs(config, base, { ...options, http, offers }, started)

  // Last of all: a key made in a start that then fails would be lost, and never made again.
  const adminKey = config.adminKey || whole ? undefined : await createFirstAdminKey(base.db)
  const checkReadiness = () => readReadiness({ ...base, ...running })
  http.serveApp(gatewayRoutes(shared, { ...base, ...running, checkReadiness, whole, readUrl: () => http.url }))
  if (whole?.isReplacement) await takePort()
  return {
    url: http.url,
    dataDir: config.databaseUrl ? undefined : resolve(config.dataDir),
    adminKey,
    readMetrics: running.observers.metrics.readOwn,
    readReadiness: checkReadiness,
    stop: () => started.stopAll(),
    abandon: () => startedHere?.abandon(),
  }
}

/** What all rooms stand on: database and pools, the registered worker, wakes. */
async function startBase(
  config: Config,
  options: GatewayOptions & { address: DatabaseAddress; clock: Pick<DatabaseClock, 'now' | 'learn'> },
  started: StopList,
) {
  const { log, clock, address, whole } = options
  const { url } = address
  const { db, keyRing } = await openDatabase(config, { url, max: config.connections.work, log }, started)
  if (!whole) await checkKeys({ db, keyRing, log })
  const pools = openRolePools(config, { url, db, log }, started)
  const worker = await registerWorker({
    ...{ url, db, log },
    roles: [...config.roles],
    keyIds: keyRing.ids,
    onClock: clock.learn,
  })
  started.add(worker.stop)
  worker.onSilence(() => {
    for (const pool of new Set([db, pools.ingest, pools.api])) cutConnections(pool)
  })
  const space = startSpaceWatch({ db, log, folders: address.folders })
  started.add(space.stop)
  const wakes = await createWakes({ db, log, workerId: () => worker.id, now: clock.now })
  started.add(wakes.stop)
  return { url, db, keyRing, pools, worker, space, wakes, now: clock.now }
}

type Base = Awaited<ReturnType<typeof startBase>>

/** Those who watch, and with the role `work` the rooms and their jobs. */
async function startRoomsAndJobs(
  config: Config,
  base: Base,
  options: GatewayOptions & { http: HttpServer; offers: Offers },
  started: StopList,
) {
  const { db, keyRing, worker, pools, wakes, now } = base
  const { log, http, offers, whole } = options
  const { now: wallClock = () => new Date(), random = Math.random, watch: ownWatch = {} } = options
  // Those who watch call back into what starts after them: the rooms need the watch, and nothing happens before they run.
  const operations = createOperationsNotifier({
    ...{ db, log, now, fanOut, lanes: LANES, backlogSeconds: config.backlogSeconds },
    onDeliveriesCreated: (clientId, endpointIds) => wakeRoom.deliver(clientId, endpointIds),
    onEmitted: (type) => watch.onOperationalEventCreated({ type }),
  })
  const observers = await startObservers({
    ...{ db, log, config, worker, lanes: LANES, otherWatches: [operations.watch, ownWatch] },
    pools: [...new Set([db, pools.ingest, pools.api])],
    readLoad: () => rooms && { ...rooms.readLoad(), graphileRuns: jobs?.isRunning() ?? false },
    ...(whole && { whole: { process: whole.process, renderWhole: whole.renderMetrics } }),
  })
  started.add(observers.stop)
  started.add(operations.stop)
  const { watch } = observers
  const names = createHostNames({ servers: config.nameServers })
  const groups = await openClientGroups(db)
  const shared = { db, groups, log, config, keyRing, ...offers, worker, watch, names, now, wallClock, random }

  const rooms = config.roles.has('work') ? startRooms(shared, wakes) : null
  const wakeRoom = rooms?.wakeRoom ?? wakeRoomsElsewhere(wakes)
  let jobs: Jobs | undefined
  let isStopping = false
  // First of all no new work from anywhere, while what is under way ends side by side.
  started.add(() => {
    isStopping = true
    return Promise.all([http.drain(), rooms?.stop(), jobs?.stop()])
  })
  if (rooms) {
    jobs = await startJobs({
      ...{ url: base.url, db, log, worker, now, rooms: rooms.byName, sweepRooms: rooms.sweep },
      retentionDays: config.retentionDays,
      raiseAlarms: operations.sweep,
    })
    // What the last process left behind.
    void retryUntilDone(rooms.sweep, {
      isWanted: () => !isStopping,
      onFailed: (error) => log.error({ err: error }, 'gateway.first_sweep_failed'),
    })
  }
  return { shared, wakeRoom, jobs, observers }
}
