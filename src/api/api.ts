import { readFileSync } from 'node:fs'
import express, { type RequestHandler, type Router } from 'express'
import { Refusal } from '../errors.ts'
import { asyncApi } from './asyncapi.ts'
import { jsonBody } from './body.ts'
import { healthz, readyz } from './health.ts'
import { callerOf } from './keys.ts'
import { openApi } from './openapi.ts'
import { rateLimiter } from './rate.ts'
import { reference } from './reference.ts'
import { refused } from './refusals.ts'
import { requestLog } from './request-log.ts'
import type { Deps } from './route.ts'
import { routes } from './routes.ts'
import { served } from './serve.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

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
  router.use('/v1', known(deps), jsonBody)
  for (const route of declared) router[route.method](route.path.replace(/\{(\w+)\}/g, ':$1'), served(deps, route))
  router.use('/v1', () => {
    throw new Refusal('route_not_found')
  })
  router.use(refused)
  return router
}

/** Leaves who asks in `res.locals.caller`. Throws `unauthorized`, and `rate_limited` for more than a key may ask. */
function known({ db, config, now }: Deps): RequestHandler {
  const wait = rateLimiter(now)
  return async (req, res, next) => {
    res.setHeader('cache-control', 'no-store') // Replies may hold secrets.
    const caller = await callerOf({ db, adminKey: config.adminKey }, req.get('authorization'))
    const retryAfterSeconds = wait(caller.keyId)
    if (retryAfterSeconds > 0) throw new Refusal('rate_limited', { retryAfterSeconds })
    res.locals.caller = caller
    next()
  }
}
