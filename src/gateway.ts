import { resolve } from 'node:path'
import express from 'express'
import type { Offers } from '../mappings/offer.ts'
import { apiRouter } from './api/api.ts'
import { answerHealthz, answerReadyz } from './api/http/health.ts'
import { answerRefusal } from './api/http/refusals.ts'
import { createFirstAdminKey } from './api/resources/create-api-key.ts'
import { startBackfiller } from './backfill/backfiller.ts'
import { cancelBackfill, startBackfill } from './backfill/start.ts'
import type { Config } from './config.ts'
import { cutConnections, type Db, openPool } from './database/db.ts'
import { migrateDatabase } from './database/migrate.ts'
import { createDeliverer } from './deliver/deliverer.ts'
import { resendDelivery } from './deliver/resend.ts'
import { newId } from './domain/ids.ts'
import { startPostgres } from './embedded-postgres/start.ts'
import { Refusal, refusalBody } from './errors.ts'
import { fanOut } from './fanout/fanout.ts'
import { forgetFailures } from './hydrate/circuit.ts'
import { createHydrator } from './hydrate/hydrator.ts'
import { type Jobs, startJobs } from './jobs.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics/metrics.ts'
import { createMetricsRoute } from './metrics/route.ts'
import { createTunnels } from './network/egress-proxy.ts'
import { startHttpServer } from './network/http-server.ts'
import { createStripeApi } from './network/stripe-api.ts'
import { describeMappings } from './normalize/catalog.ts'
import { dryRun } from './normalize/explain/dry-run.ts'
import { explainSourceEvent } from './normalize/explain/explain.ts'
import { createNormalizer } from './normalize/lanes.ts'
import { releaseHeldFor } from './normalize/missing/holds.ts'
import { renormalizeMatching, renormalizeOne } from './normalize/renormalize.ts'
import { readAdoptedUuids } from './normalize/world/adopted-uuids.ts'
import { startObservers } from './observe.ts'
import { loadOffers } from './offers.ts'
import { createOperationsNotifier } from './operations/operations.ts'
import { createAppEventStore } from './receive/app-events.ts'
import { LANES, laneOf } from './receive/lane.ts'
import { createListedEventStore } from './receive/listed-events.ts'
import { receiveRoutes } from './receive/routes.ts'
import { cancelReplay } from './replay/cancel.ts'
import { previewReplay } from './replay/preview.ts'
import { startReplayer } from './replay/replayer.ts'
import { startReplay } from './replay/start.ts'
import { assertKeysOpen, sealPlainHeaders } from './secrets/key-rotation.ts'
import { type KeyRing, loadKeyRing } from './secrets/keyring.ts'
import type { Watch } from './watch.ts'
import { retryUntilDone } from './workers/retry-until-done.ts'
import { createWakes, type Wakes, type WorkRoom } from './workers/wakes.ts'
import { type RegisteredWorker, registerWorker } from './workers/worker.ts'

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
  now?: () => Date
  random?: () => number
  /** The embedded database ended unasked: nothing works any more. */
  crashed?: () => void
  /** Told of what is told to metrics and traces, too. */
  watch?: Watch
}

// Beside Graphile Worker's 3, the worker's session and the folder's lock: several processes fit into PostgreSQL's 100.
const CONNECTIONS = 16

/**
 * Starts a gateway: port, database, migrations, keys, worker, rooms, in this order, and stops what has been started when a
 * step fails. Throws a ConfigError, to be shown without its stack, for what the operator has to mend.
 */
export async function startGateway(
  config: Config,
  { log, now = () => new Date(), random = Math.random, crashed = () => {}, watch: alsoTold = {} }: GatewayOptions,
): Promise<Gateway> {
  const steps: (() => Promise<unknown>)[] = []
  const undoSteps = async () => {
    for (const step of steps.toReversed())
      await step().catch((error) => log.error({ err: error }, 'gateway.stop_failed'))
  }
  try {
    const { contracts, mappings } = await loadOffers(config.contracts)
    const http = await startHttpServer(config)
    steps.push(http.drain)
    const embedded = config.databaseUrl ? undefined : await startPostgres({ dataDir: config.dataDir, log, crashed })
    if (embedded) steps.push(embedded.stop)
    const url = config.databaseUrl ?? embedded!.url
    await migrateDatabase({ url, log })
    const db = openPool(url, {
      max: CONNECTIONS,
      onError: ({ message }) => log.warn({ message }, 'database.connection_lost'),
    })
    steps.push(() => db.end())
    const keys = await loadKeyRing(config)
    await assertKeysOpen(db, keys)
    const sealed = await sealPlainHeaders(db, keys)
    if (sealed > 0) log.info({ endpoints: sealed }, 'gateway.headers_encrypted')

    const worker = await registerWorker({ url, db, log, roles: [...config.roles], keyIds: keys.ids })
    steps.push(worker.stop)
    worker.onSilence(() => cutConnections(db))
    const wakes = await createWakes({ db, log, workerId: () => worker.id })
    steps.push(wakes.stop)
    const operations = createOperationsNotifier({
      ...{ db, log, now, fanOut, lanes: LANES, backlogSeconds: config.backlogSeconds },
      onDeliveriesCreated: (clientId, endpointIds) => wake.deliver(clientId, endpointIds),
      onEmitted: (type) => watch.onOperationalEventCreated({ type }),
    })
    const observed = await startObservers({
      ...{ db, log, config, worker, lanes: LANES, otherWatches: [operations.watch, alsoTold] },
      readLoad: () => work && { ...work.underWay(), graphileRuns: jobs?.isRunning() ?? false },
    })
    steps.push(observed.stop, operations.stop)
    const { watch, metrics } = observed
    const shared = { db, log, config, keyRing: keys, contracts, mappings, worker, watch, now, random }
    const work = config.roles.has('work') ? startRooms(shared, wakes) : null
    const wake = work?.wake ?? wakeElsewhere(wakes)
    // No new work from anywhere, and what is under way ends side by side.
    let jobs: Jobs | undefined
    let stopping = false
    steps.push(() => {
      stopping = true
      return Promise.all([http.drain(), work?.stop(), jobs?.stop()])
    })
    if (work) {
      jobs = await startJobs({
        ...{ url, db, log, worker, rooms: work.rooms, retentionDays: config.retentionDays },
        raiseAlarms: operations.sweep,
      })
      // What the last process left behind.
      void retryUntilDone(work.sweep, {
        isWanted: () => !stopping,
        onFailed: (error) => log.error({ err: error }, 'gateway.first_sweep_failed'),
      })
    }

    // Last of all: a key made in a start that then fails would be lost, and never made again.
    const adminKey = config.adminKey ? undefined : await createFirstAdminKey(db)
    http.serveApp(gatewayRoutes(shared, { wake, url: http.url, jobs, metrics }))
    const dataDir = embedded && resolve(config.dataDir)
    let stopped: Promise<void> | undefined
    return {
      url: http.url,
      dataDir,
      adminKey,
      stop: () => (stopped ??= undoSteps()),
      abandon: () => embedded?.abandon(),
    }
  } catch (error) {
    await undoSteps()
    throw error
  }
}

/** What the rooms are woken by, wherever they are. */
type Wake = Record<Exclude<WorkRoom, 'deliver'>, (clientId: string) => void> & {
  deliver: (clientId: string, endpointIds?: string[], options?: { reread?: boolean }) => void
}

interface SharedDeps extends Offers {
  db: Db
  log: Log
  config: Config
  keyRing: KeyRing
  worker: RegisteredWorker
  watch: Required<Watch>
  now: () => Date
  random: () => number
}

/** The rooms of the role `work`: what is normalised and fanned out wakes the delivering room right here. */
function startRooms(shared: SharedDeps, wakes: Wakes) {
  const tunnels = shared.config.egressProxy && createTunnels(shared.config.egressProxy)
  const deliver = createDeliverer({
    ...shared,
    tunnels,
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('deliver', clientId),
    scheduleBackstop: wakes.wakeDeliverAt,
  })
  const normalize = createNormalizer({
    ...shared,
    ...shared.config,
    laneCount: LANES,
    fanOut,
    onDeliveriesCreated: deliver.wake,
    onFetchRequested: (clientId) => hydrate.wake(clientId),
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('normalize', clientId),
  })
  const stripe = createStripeApi({ base: shared.config.stripeApiBase, tunnels })
  const hydrate = createHydrator({
    ...shared,
    stripe,
    laneOf,
    onFetched: normalize.wake,
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('hydrate', clientId),
  })
  const backfill = startBackfiller({
    ...shared,
    stripe,
    storeListed: createListedEventStore({ ...shared, onStored: normalize.wake }),
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('backfill', clientId),
  })
  const replay = startReplayer({
    ...shared,
    onReplayed: (clientId, endpointId, { replaced }) => deliver.wake(clientId, [endpointId], { reread: replaced }),
    onLeasedElsewhere: (clientId) => wakes.wakeElsewhere('replay', clientId),
  })
  const rooms = { normalize, deliver, hydrate, backfill, replay }
  const mapRooms = <T>(work: (room: (typeof rooms)[WorkRoom]) => T) => Object.values(rooms).map(work)
  return {
    rooms,
    wake: {
      normalize: normalize.wake,
      deliver: deliver.wake,
      hydrate: hydrate.wake,
      backfill: backfill.wake,
      replay: replay.wake,
    },
    underWay: () => ({ clientsWaiting: normalize.waitingClientCount(), attemptsInFlight: deliver.inFlight() }),
    sweep: () => Promise.all(mapRooms((room) => room.sweep())),
    stop: () => Promise.all(mapRooms((room) => room.stop())),
  }
}

/** The rooms run in other processes: whichever worker picks up the job wakes its own. */
const wakeElsewhere = (wakes: Wakes): Wake => ({
  normalize: (clientId) => wakes.wakeAnywhere('normalize', clientId),
  deliver: (clientId) => wakes.wakeAnywhere('deliver', clientId),
  hydrate: (clientId) => wakes.wakeAnywhere('hydrate', clientId),
  backfill: (clientId) => wakes.wakeAnywhere('backfill', clientId),
  replay: (clientId) => wakes.wakeAnywhere('replay', clientId),
})

/** What this process answers over HTTP, by its roles. */
function gatewayRoutes(
  shared: SharedDeps,
  { wake, url, jobs, metrics }: { wake: Wake; url: string; jobs: Jobs | undefined; metrics: Metrics },
) {
  const { config, worker, db, log, mappings } = shared
  const app = express().disable('x-powered-by')
  const checkReadiness = () => {
    const details = { database: worker.isRegistered(), ...(jobs && { work: jobs.isRunning() }) }
    return { isReady: Object.values(details).every(Boolean), details }
  }
  app.get('/metrics', createMetricsRoute({ log, metrics, token: config.metricsToken }))
  if (config.roles.has('receive')) app.use(receiveRoutes({ ...shared, onStored: wake.normalize }))
  if (config.roles.has('api'))
    app.use(
      apiRouter({
        ...shared,
        checkReadiness,
        publicUrl: () => config.publicUrl ?? url,
        resendDelivery,
        describeMappings: () => describeMappings(mappings),
        explainSourceEvent: (read, clientId, id) =>
          explainSourceEvent({ db: read, mappings, now: shared.now }, clientId, id),
        dryRunEvent: (read, clientId, sourceId, event) =>
          dryRun({ db: read, mappings, now: shared.now, holdSeconds: config.holdSeconds }, clientId, sourceId, event),
        renormalizeOne,
        renormalizeMatching,
        loadAdoptedUuids: readAdoptedUuids,
        forgetFailures,
        startBackfill,
        cancelBackfill,
        storeAppEvents: createAppEventStore({ ...shared, onStored: wake.normalize }),
        startReplay: (tx, clientId, asked) => startReplay(shared, tx, clientId, asked),
        previewReplay: (tx, clientId, asked) => previewReplay(shared, tx, clientId, asked),
        cancelReplay,
        onFactsArrived(clientId, facts) {
          releaseHeldFor(db, clientId, facts)
            .then((released) => released > 0 && wake.normalize(clientId))
            .catch((err) => log.error({ err, clientId }, 'normalize.fact_not_told'))
        },
        wakes: wake,
      }),
    )
  else app.get('/healthz', answerHealthz).get('/readyz', answerReadyz({ checkReadiness }))
  app.use((_req, res) => {
    const refusal = new Refusal('route_not_found')
    res.status(refusal.status).json(refusalBody(refusal, newId()))
  })
  return app.use(answerRefusal)
}
