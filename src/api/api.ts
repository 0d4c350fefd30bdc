import express, { type RequestHandler, type Router } from 'express'
import { Refusal } from '../errors.ts'
import { version } from '../version.ts'
import { asyncApi } from './asyncapi.ts'
import { jsonBody, MAX_BYTES } from './http/body.ts'
import { callerOf, keyLoader } from './http/caller.ts'
import { healthz, readyz } from './http/health.ts'
import { clientRate, rateLimiter } from './http/rate-limit.ts'
import { refused } from './http/refusals.ts'
import { requestLog } from './http/request-log.ts'
import type { Caller, Deps, Route } from './http/route.ts'
import { served } from './http/serve.ts'
import { openApi } from './openapi.ts'
import { reference } from './reference.ts'
import { routes } from './routes.ts'

/** The management API: /v1/*, /healthz, /readyz, /openapi.json, /asyncapi.json and the reference at /docs. Other paths pass through. */
export function apiRoutes(deps: Deps): Router {
  const declared = routes(deps)
  const documents = {
    '/openapi.json': JSON.stringify(openApi(declared, deps.contracts, version)),
    '/asyncapi.json': JSON.stringify(asyncApi(deps.contracts, version)),
  }
  const router = express.Router()
  router.use(['/v1', '/healthz', '/readyz', '/openapi.json', '/asyncapi.json', '/docs'], requestLog(deps.log))
  router.get('/healthz', healthz)
  router.get('/readyz', readyz(deps))
  for (const [path, document] of Object.entries(documents))
    router.get(path, (_req, res) => {
      res.type('json').send(document)
    })
  router.use(reference())
  const caller = known(deps)
  const rate = limited(deps)
  const body = jsonBody(MAX_BYTES)
  for (const route of declared)
    router[route.method](
      route.path.replace(/\{(\w+)\}/g, ':$1'),
      told(deps, route),
      caller,
      // Intake fails open: no limiter may cost an event.
      ...(route.intake ? [jsonBody(route.intake.maxBytes)] : [rate, body]),
      served(deps, route),
    )
  router.use('/v1', caller, rate, () => {
    throw new Refusal('route_not_found')
  })
  router.use(refused)
  return router
}

/** Tells of the request when it is answered, whatever with. */
const told =
  ({ watch }: Deps, { method, path: route }: Route): RequestHandler =>
  (_req, res, next) => {
    const startedAt = performance.now()
    res.once('finish', () =>
      watch?.requested?.({ method, route, status: res.statusCode, seconds: (performance.now() - startedAt) / 1000 }),
    )
    next()
  }

/** Leaves who asks in `res.locals.caller`. Throws `unauthorized`. */
function known({ db, config: { adminKey } }: Deps): RequestHandler {
  const keyOf = keyLoader(db)
  return async (req, res, next) => {
    res.setHeader('cache-control', 'no-store') // Replies may hold secrets.
    res.locals.caller = await callerOf({ keyOf, adminKey }, req.get('authorization'))
    next()
  }
}

/** Throws `rate_limited` for more than a key may ask, and for more than its client may with all keys together. */
function limited({ now }: Deps): RequestHandler {
  const wait = rateLimiter(now)
  const take = (retryAfterSeconds: number, message?: string) => {
    if (retryAfterSeconds > 0) throw new Refusal('rate_limited', { retryAfterSeconds, ...(message && { message }) })
  }
  return (_req, res, next) => {
    const { keyId, clientId, requestsPerSecond }: Caller = res.locals.caller
    take(wait(keyId))
    if (clientId !== null && requestsPerSecond !== null)
      take(
        wait(clientId, clientRate(requestsPerSecond)),
        `This client may ask ${requestsPerSecond} times a second, all keys together: wait as Retry-After says.`,
      )
    next()
  }
}
