import express, { type Router } from 'express'
import { apiRouter } from '../api/api.ts'
import type { ApiDeps } from '../api/http/api-deps.ts'
import { answerHealthz, answerReadyz } from '../api/http/health.ts'
import { answerRefusal } from '../api/http/refusals.ts'
import { cancelBackfill, startBackfill } from '../backfill/start.ts'
import { cancelDelivery } from '../deliver/cancel.ts'
import { resendDelivery } from '../deliver/resend.ts'
import { newId } from '../domain/ids.ts'
import { Refusal, refusalBody } from '../errors.ts'
import { forgetFailures } from '../hydrate/circuit.ts'
import { createMetricsRoute } from '../metrics/route.ts'
import { describeMappings } from '../normalize/catalog.ts'
import { dryRun } from '../normalize/explain/dry-run.ts'
import { explainPage } from '../normalize/explain/explain.ts'
import { releaseHeldFor } from '../normalize/missing/holds.ts'
import { renormalizeMatching, renormalizeOne } from '../normalize/renormalize.ts'
import { readAdoptedUuids } from '../normalize/world/adopted-uuids.ts'
import type { Observers } from '../observe.ts'
import { createAppEventStore } from '../receive/app-events.ts'
import { receiveRoutes } from '../receive/routes.ts'
import { cancelReplay } from '../replay/cancel.ts'
import { previewReplay } from '../replay/preview.ts'
import { startReplay } from '../replay/start.ts'
import { requestDeletion } from '../retention/deletion/request.ts'
import type { SharedDeps, WakeRoom } from '../rooms.ts'
import type { Readiness } from './readiness.ts'
import type { RolePools } from './role-pools.ts'
import type { Whole } from './whole.ts'

interface RouteDeps {
  wakeRoom: WakeRoom
  /** Where this process listens. */
  readUrl: () => string
  observers: Pick<Observers, 'metrics'>
  pools: RolePools
  /** Whether this process has what it needs. */
  checkReadiness: () => Readiness
  /** Of a gateway of several processes. */
  whole: Whole | undefined
}

/** What this process answers over HTTP, by its roles. */
export function gatewayRoutes(shared: SharedDeps, deps: RouteDeps) {
  const { config, log } = shared
  const app = express().disable('x-powered-by')
  const checkReadiness = deps.whole?.readReadiness ?? deps.checkReadiness
  app.get('/metrics', createMetricsRoute({ log, metrics: deps.observers.metrics, token: config.metricsToken }))
  if (config.roles.has('receive'))
    app.use(
      receiveRoutes({
        ...shared,
        db: deps.pools.ingest,
        holdSeconds: config.holdSeconds,
        onStored: deps.wakeRoom.normalize,
        onUnsettled: deps.wakeRoom.route,
      }),
    )
  if (config.roles.has('api')) app.use(managementApi(shared, deps, checkReadiness))
  else app.get('/healthz', answerHealthz).get('/readyz', answerReadyz({ checkReadiness }))
  app.use((_req, res) => {
    const refusal = new Refusal('route_not_found')
    res.status(refusal.status).json(refusalBody(refusal, newId()))
  })
  return app.use(answerRefusal)
}

function managementApi(
  shared: SharedDeps,
  { wakeRoom, readUrl, pools, whole }: RouteDeps,
  checkReadiness: ApiDeps['checkReadiness'],
): Router {
  const { config, worker, db, log, mappings, keyRing, now } = shared
  return apiRouter({
    ...shared,
    db: pools.api,
    intakeDb: pools.ingest,
    limits: { slots: config.connections.api, statementSeconds: config.apiStatementSeconds },
    checkReadiness,
    publicUrl: () => config.publicUrl ?? readUrl(),
    ...(whole && { countRequest: whole.countRequest }),
    resendDelivery,
    cancelDelivery,
    workerId: () => worker.id,
    describeMappings: () => describeMappings(mappings),
    explainSourceEvent: (read, clientId, id, page) =>
      explainPage({ db: read, mappings, keyRing, now }, clientId, id, page),
    dryRunEvent: (read, clientId, sent, page) =>
      dryRun({ db: read, mappings, keyRing, now, holdSeconds: config.holdSeconds }, clientId, sent, page),
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
    requestDeletion: (tx, request, options) => requestDeletion(tx, keyRing, request, options),
    onFactsArrived(clientId, facts) {
      releaseHeldFor(db, clientId, facts)
        .then((released) => released > 0 && wakeRoom.normalize(clientId))
        .catch((err) => log.error({ err, clientId }, 'normalize.fact_not_told'))
    },
    wakes: wakeRoom,
  })
}
