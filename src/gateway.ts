import { resolve } from 'node:path'
import express from 'express'
import { apiRouter } from './api/api.ts'
import { answerHealthz, answerReadyz } from './api/http/health.ts'
import { answerRefusal } from './api/http/refusals.ts'
import { createFirstAdminKey } from './api/resources/create-api-key.ts'
import { cancelBackfill, startBackfill } from './backfill/start.ts'
import type { Config } from './config.ts'
import { openClientGroups } from './database/client-groups.ts'
import { createDatabaseClock, type DatabaseClock } from './database/clock.ts'
import { explainDatabaseFailure } from './database/connect-trouble.ts'
import { cutConnections, type Db, isDatabaseAway, openPool } from './database/db.ts'
import { migrateDatabase } from './database/migrate.ts'
import type { SessionSettings } from './database/session-settings.ts'
import { type SpaceWatch, startSpaceWatch } from './database/space.ts'
import { cancelDelivery } from './deliver/cancel.ts'
import { resendDelivery } from './deliver/resend.ts'
import { newId, setIdClock } from './domain/ids.ts'
import { startPostgres } from './embedded-postgres/start.ts'
import { Refusal, refusalBody } from './errors.ts'
import { fanOut } from './fanout/fanout.ts'
import { forgetFailures } from './hydrate/circuit.ts'
import { type Jobs, startJobs } from './jobs.ts'
import type { Log } from './log.ts'
import { createMetricsRoute } from './metrics/route.ts'
import { startHttpServer } from './network/http-server.ts'
import { createHostNames } from './network/names/host-names.ts'
import { describeMappings } from './normalize/catalog.ts'
import { dryRun } from './normalize/explain/dry-run.ts'
import { explainPage } from './normalize/explain/explain.ts'
import { releaseHeldFor } from './normalize/missing/holds.ts'
import { renormalizeMatching, renormalizeOne } from './normalize/renormalize.ts'
import { readAdoptedUuids } from './normalize/world/adopted-uuids.ts'
import { type Observers, startObservers } from './observe.ts'
import { loadOffers } from './offers.ts'
import { createOperationsNotifier } from './operations/operations.ts'
import { createAppEventStore } from './receive/app-events.ts'
import { LANES } from './receive/lane.ts'
import { receiveRoutes } from './receive/routes.ts'
import { cancelReplay } from './replay/cancel.ts'
import { previewReplay } from './replay/preview.ts'
import { startReplay } from './replay/start.ts'
import { requestDeletion } from './retention/deletion/request.ts'
import { type SharedDeps, startRooms, type WakeRoom, wakeRoomsElsewhere } from './rooms.ts'
import { assertKeysOpen, sealPlainHeaders } from './secrets/key-rotation.ts'
import { loadKeyRing } from './secrets/keyring.ts'
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
}

/** The connections of a process: its pools, the worker's session, and Graphile Worker's 3 where it works. */
const countConnections = ({ roles, connections: { ingest, work, api } }: Config) =>
  work +
  (roles.has('work') ? 4 : 1) +
  (roles.has('receive') || roles.has('api') ? ingest : 0) +
  (roles.has('api') ? api : 0)

/**
 * Starts a gateway: port, database, worker, rooms and jobs, routes, in this order, and stops what has been started when a step
 * fails. Throws a ConfigError, to be shown without its stack, for what the operator has to change.
 */
export async function startGateway(config: Config, options: GatewayOptions): Promise<Gateway> {
  const started = createStopList(options.log)
  try {
    return await startParts(config, options, started)
  } catch (error) {
    // While the database is away, each part would say so once more as it is stopped.
    await started.stopAll(isDatabaseAway(error) ? isDatabaseAway : undefined)
    throw (config.databaseUrl && explainDatabaseFailure(error, config.databaseUrl)) || error
  }
}

async function startParts(config: Config, options: GatewayOptions, started: StopList): Promise<Gateway> {
  const { log, now: wallClock = () => new Date(), random = Math.random, watch: ownWatch = {} } = options
  const ownClock = createDatabaseClock()
  const { clock = ownClock } = options
  const { now } = clock
  if (!options.clock) setIdClock(() => ownClock.latest().getTime())
  started.add(async () => setIdClock())
  const offers = await loadOffers(config.contracts)
  const http = await startHttpServer(config)
  started.add(http.drain)
  const { url, db, keyRing, embedded } = await startDatabase(config, options, started)
  const pools = openRolePools(config, { url, db, log }, started)
  const worker = await registerWorker({
    url,
    db,
    log,
    roles: [...config.roles],
    keyIds: keyRing.ids,
    onClock: clock.learn,
  })
  started.add(worker.stop)
  worker.onSilence(() => {
    for (const pool of new Set([db, pools.ingest, pools.api])) cutConnections(pool)
  })
  const space = startSpaceWatch({ db, log, folders: embedded ? [config.dataDir, embedded.pgDir] : [] })
  started.add(space.stop)
  const wakes = await createWakes({ db, log, workerId: () => worker.id })
  started.add(wakes.stop)

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
      ...{
        url,
        db,
        log,
        worker,
        now,
        rooms: rooms.byName,
        sweepRooms: rooms.sweep,
        retentionDays: config.retentionDays,
      },
      raiseAlarms: operations.sweep,
    })
    // What the last process left behind.
    void retryUntilDone(rooms.sweep, {
      isWanted: () => !isStopping,
      onFailed: (error) => log.error({ err: error }, 'gateway.first_sweep_failed'),
    })
  }

  // Last of all: a key made in a start that then fails would be lost, and never made again.
  const adminKey = config.adminKey ? undefined : await createFirstAdminKey(db)
  http.serveApp(gatewayRoutes(shared, { wakeRoom, url: http.url, jobs, observers, pools, space }))
  return {
    url: http.url,
    dataDir: embedded && resolve(config.dataDir),
    adminKey,
    stop: () => started.stopAll(),
    abandon: () => embedded?.abandon(),
  }
}

interface StopList {
  add(stop: () => Promise<unknown>): void
  /** Stops everything in the opposite order of its start, once however often it is called. Errors that `isKnown` are not logged. */
  stopAll(isKnown?: (error: unknown) => boolean): Promise<void>
}

function createStopList(log: Log): StopList {
  const stops: (() => Promise<unknown>)[] = []
  let stopped: Promise<void> | undefined
  const stopInReverse = async (isKnown: (error: unknown) => boolean) => {
    for (const stop of stops.toReversed())
      await stop().catch((error) => isKnown(error) || log.error({ err: error }, 'gateway.stop_failed'))
  }
  return {
    add: (stop) => void stops.push(stop),
    stopAll: (isKnown = () => false) => (stopped ??= stopInReverse(isKnown)),
  }
}

/** The database of DATABASE_URL or an embedded one, up to date, and the keys that open what is encrypted in it. */
async function startDatabase(config: Config, { log, onDatabaseCrash }: GatewayOptions, started: StopList) {
  const { databaseUrl, dataDir } = config
  const embedded = databaseUrl ? undefined : await startPostgres({ dataDir, log, onCrash: onDatabaseCrash })
  if (embedded) started.add(embedded.stop)
  const url = databaseUrl ?? embedded?.url
  if (url === undefined) throw new Error('There is neither an embedded database nor a DATABASE_URL.')
  await migrateDatabase({ url, log, connections: countConnections(config) })
  const db = openPool(url, {
    max: config.connections.work,
    onError: ({ message }) => log.warn({ message }, 'database.connection_lost'),
  })
  started.add(() => db.end())
  const keyRing = await loadKeyRing(config, log)
  await assertKeysOpen(db, keyRing)
  const sealed = await sealPlainHeaders(db, keyRing)
  if (sealed > 0) log.info({ endpoints: sealed }, 'gateway.headers_encrypted')
  return { url, db, keyRing, embedded }
}

/** Pools beside that of the work, so that neither the work nor slow requests hold up what comes in. */
function openRolePools(config: Config, { url, db, log }: { url: string; db: Db; log: Log }, started: StopList) {
  const open = (name: 'ingest' | 'api', settings: SessionSettings = {}): Db => {
    const pool = openPool(url, {
      max: config.connections[name],
      onError: ({ message }) => log.warn({ message, pool: name }, 'database.connection_lost'),
      settings,
    })
    started.add(() => pool.end())
    return pool
  }
  return {
    ingest: config.roles.has('receive') || config.roles.has('api') ? open('ingest') : db,
    api: config.roles.has('api')
      ? open('api', {
          statement_timeout: String(Math.ceil(config.apiStatementSeconds * 1000)),
          // One request takes one core: more would be taken from the work of others.
          max_parallel_workers_per_gather: '0',
        })
      : db,
  }
}

/** What this process answers over HTTP, by its roles. */
function gatewayRoutes(
  shared: SharedDeps,
  {
    wakeRoom,
    url,
    jobs,
    observers: { metrics, readOwnLack },
    pools,
    space,
  }: {
    wakeRoom: WakeRoom
    url: string
    jobs: Jobs | undefined
    observers: Pick<Observers, 'metrics' | 'readOwnLack'>
    pools: ReturnType<typeof openRolePools>
    space: SpaceWatch
  },
) {
  const { config, worker, db, log, mappings } = shared
  const app = express().disable('x-powered-by')
  const checkReadiness = () => {
    const details = {
      database: worker.isRegistered(),
      space: space.isEnough(),
      ...(jobs && { work: jobs.isRunning() }),
    }
    // Told, and no reason to take in nothing: what comes in waits for the way out.
    const ownLack = readOwnLack()
    return { isReady: Object.values(details).every(Boolean), details: { ...details, ...(ownLack && { ownLack }) } }
  }
  app.get('/metrics', createMetricsRoute({ log, metrics, token: config.metricsToken }))
  if (config.roles.has('receive')) app.use(receiveRoutes({ ...shared, db: pools.ingest, onStored: wakeRoom.normalize }))
  if (config.roles.has('api'))
    app.use(
      apiRouter({
        ...shared,
        db: pools.api,
        intakeDb: pools.ingest,
        limits: { slots: config.connections.api, statementSeconds: config.apiStatementSeconds },
        checkReadiness,
        publicUrl: () => config.publicUrl ?? url,
        resendDelivery,
        cancelDelivery,
        workerId: () => worker.id,
        describeMappings: () => describeMappings(mappings),
        explainSourceEvent: (read, clientId, id, page) =>
          explainPage({ db: read, mappings, keyRing: shared.keyRing, now: shared.now }, clientId, id, page),
        dryRunEvent: (read, clientId, sent, page) =>
          dryRun(
            { db: read, mappings, keyRing: shared.keyRing, now: shared.now, holdSeconds: config.holdSeconds },
            clientId,
            sent,
            page,
          ),
        renormalizeOne,
        renormalizeMatching,
        loadAdoptedUuids: readAdoptedUuids,
        forgetFailures,
        startBackfill,
        cancelBackfill,
        storeAppEvents: createAppEventStore({ ...shared, db: pools.ingest, onStored: wakeRoom.normalize }),
        startReplay: (tx, clientId, request) => startReplay(shared, tx, clientId, request),
        previewReplay: (tx, clientId, request) => previewReplay(shared, tx, clientId, request),
        cancelReplay,
        requestDeletion: (tx, request, options) => requestDeletion(tx, shared.keyRing, request, options),
        onFactsArrived(clientId, facts) {
          releaseHeldFor(db, clientId, facts)
            .then((released) => released > 0 && wakeRoom.normalize(clientId))
            .catch((err) => log.error({ err, clientId }, 'normalize.fact_not_told'))
        },
        wakes: wakeRoom,
      }),
    )
  else app.get('/healthz', answerHealthz).get('/readyz', answerReadyz({ checkReadiness }))
  app.use((_req, res) => {
    const refusal = new Refusal('route_not_found')
    res.status(refusal.status).json(refusalBody(refusal, newId()))
  })
  return app.use(answerRefusal)
}
