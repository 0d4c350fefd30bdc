import { setTimeout as delay } from 'node:timers/promises'
import express, { type RequestHandler, type Router } from 'express'
import { Refusal } from '../errors.ts'
import { createByteBudget } from '../network/byte-budget.ts'
import { noteProof } from '../network/connections.ts'
import { serveStatic } from '../network/static-content.ts'
import { version } from '../version.ts'
import { asyncApiDocument } from './asyncapi.ts'
import type { ApiDeps } from './http/api-deps.ts'
import { BODIES_MAX_BYTES, DEFAULT_MAX_BYTES, readBody } from './http/body.ts'
import type { Caller } from './http/caller.ts'
import { apiKeyLoader, authenticateCaller } from './http/caller.ts'
import { answerHealthz, answerReadyz } from './http/health.ts'
import { clientRate, rateLimiter } from './http/rate-limit.ts'
import { answerRefusal } from './http/refusals.ts'
import { logRequests } from './http/request-log.ts'
import { createRequestSlots } from './http/request-slots.ts'
import type { Route } from './http/route.ts'
import { serveRoute } from './http/serve.ts'
import { openApiDocument } from './openapi.ts'
import { serveReference } from './reference.ts'
import { declareRoutes } from './routes.ts'

/** The management API: /v1/*, /healthz, /readyz, /openapi.json, /asyncapi.json and the reference at /docs. Other paths pass through. */
export function apiRouter(deps: ApiDeps): Router {
  const declared = declareRoutes(deps)
  const documents = {
    '/openapi.json': openApiDocument(declared, deps.contracts, version),
    '/asyncapi.json': asyncApiDocument(deps.contracts, version),
  }
  const router = express.Router()
  router.use(['/v1', '/healthz', '/readyz', '/openapi.json', '/asyncapi.json', '/docs'], logRequests(deps.log))
  router.get('/healthz', answerHealthz)
  router.get('/readyz', answerReadyz(deps))
  for (const [path, document] of Object.entries(documents))
    router.get(path, serveStatic(JSON.stringify(document), { 'content-type': 'application/json; charset=utf-8' }))
  router.use(serveReference())
  const caller = authenticateRequest(deps)
  const rate = limitRate(deps)
  const bodies = createByteBudget(BODIES_MAX_BYTES)
  const body = readBody(DEFAULT_MAX_BYTES, bodies)
  const slots = createRequestSlots(deps)
  for (const route of declared)
    router[route.method](
      route.path.replace(/\{(\w+)\}/g, ':$1'),
      watchRequest(deps, route),
      caller,
      // Intake fails open: a rate limit must not lose an event.
      ...(route.intake ? [readBody(route.intake.maxBytes, bodies)] : [rate, body]),
      serveRoute(deps, route, slots),
    )
  router.use('/v1', caller, rate, () => {
    throw new Refusal('route_not_found')
  })
  router.use(answerRefusal)
  return router
}

/** Notifies `watch` of every answered request, whatever the answer. */
const watchRequest =
  ({ watch }: ApiDeps, { method, path: route }: Route): RequestHandler =>
  (_req, res, next) => {
    const startedAt = performance.now()
    res.once('finish', () =>
      watch?.onApiRequestAnswered?.({
        method,
        route,
        status: res.statusCode,
        seconds: (performance.now() - startedAt) / 1000,
      }),
    )
    next()
  }

/** Puts the caller into `res.locals.caller`. Throws `unauthorized`. */
function authenticateRequest({ db, intakeDb = db, config: { adminKey } }: ApiDeps): RequestHandler {
  const loadKey = apiKeyLoader(intakeDb)
  return async (req, res, next) => {
    res.setHeader('cache-control', 'no-store') // Replies may contain secrets.
    res.locals.caller = await authenticateCaller({ loadKey, adminKey }, req.get('authorization'))
    noteProof(req, 'key')
    next()
  }
}

/** Refusals that a key gets at once. Further ones wait: who asks again at once would keep the process busy with refusing. */
const REFUSALS_AT_ONCE = { perSecond: 20, burst: 20 }
const REFUSAL_MS = 500

/** Throws `rate_limited` above the rate of a key, or of all keys of its client. */
function limitRate({ now, countRequest }: ApiDeps): RequestHandler {
  const secondsToWait = countRequest ?? rateLimiter(now)
  const refusalsToWait = rateLimiter(now)
  const refuseIfOver = (retryAfterSeconds: number, message?: string) => {
    if (retryAfterSeconds > 0) throw new Refusal('rate_limited', { retryAfterSeconds, ...(message && { message }) })
  }
  const refuseOver = async ({ keyId, clientId, requestsPerSecond }: Caller) => {
    refuseIfOver(await secondsToWait(keyId, undefined))
    if (clientId !== null && requestsPerSecond !== null)
      refuseIfOver(
        await secondsToWait(clientId, clientRate(requestsPerSecond)),
        `This client may send ${requestsPerSecond} requests a second with all its keys: wait as Retry-After says.`,
      )
  }
  return async (_req, res, next) => {
    const caller: Caller = res.locals.caller
    try {
      await refuseOver(caller)
    } catch (refusal) {
      if (refusalsToWait(caller.keyId, REFUSALS_AT_ONCE) > 0) await delay(REFUSAL_MS)
      throw refusal
    }
    next()
  }
}
