import express, { type ErrorRequestHandler, type RequestHandler, type Response, type Router } from 'express'
import type { Db } from '../database/db.ts'
import { isUuid, newId } from '../domain/ids.ts'
import { Refusal, refusalBody } from '../errors.ts'
import type { Log } from '../log.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import type { Answered, Watch } from '../watch.ts'
import type { Add } from '../workers/batcher.ts'
import { rawBody } from './body.ts'
import { envelope } from './envelope.ts'
import { verify } from './signature.ts'
import { type Source, sourceLoader } from './sources.ts'
import { eventStore, type SourceEvent } from './store.ts'

interface Deps {
  db: Db
  keyRing: KeyRing
  log: Log
  now: () => Date
  /** Called after the commit for each client that got something new; never awaited, must not throw. */
  stored: (clientId: string) => void
  watch?: Watch
}

/**
 * POST /webhooks/stripe/:sourceId. Answers 200 `{received: true, duplicate}` once the event is committed, else a refusal
 * of src/errors.ts; whatever is not a 200 is sent again by Stripe for three days.
 */
export function receiveRoutes({ db, keyRing, log, now, stored, watch }: Deps): Router {
  const router = express.Router()
  const webhook = stripeWebhook({
    source: sourceLoader({ db, log }),
    store: eventStore({ db, log, stored, watch, via: 'stripe' }),
    keyRing,
    now,
    watch,
  })
  router.post('/webhooks/stripe/:sourceId', webhook, refused({ log, watch }))
  return router
}

interface WebhookDeps {
  source: Add<string, Source | undefined>
  store: Add<SourceEvent, { duplicate: boolean }>
  keyRing: Pick<KeyRing, 'decrypt'>
  now: () => Date
  watch?: Watch | undefined
}

/** The way of one event: whose it is, its bytes, whether Stripe signed it, what it is, kept; then the answer. */
export function stripeWebhook({
  source,
  store,
  keyRing,
  now,
  watch,
}: WebhookDeps): RequestHandler<{ sourceId: string }> {
  return async (req, res) => {
    res.locals.startedAt = performance.now()
    const from = isUuid(req.params.sourceId) ? await source(req.params.sourceId.toLowerCase()) : undefined
    // Before a byte of the body is kept: who knows no source's id costs no memory.
    if (!from) throw new Refusal('source_not_found')
    const bytes = await rawBody(req)
    res.locals.source = from
    verify(bytes, req.get('stripe-signature'), from.sealedSecrets.map(keyRing.decrypt), now())
    const read = envelope(bytes, from.id, now())
    const { duplicate } = await store({ ...read, clientId: from.clientId, sourceId: from.id, bytes })
    // Written by hand: res.json would spend as long on an ETag as the signature takes.
    res.setHeader('content-type', 'application/json; charset=utf-8')
    res.end(duplicate ? '{"received":true,"duplicate":true}' : '{"received":true,"duplicate":false}')
    watch?.answered?.(answeredOf(res, { code: null, duplicate }))
  }
}

// A success is found by its row; a refusal is found by nothing but the log.
const refused =
  ({ log, watch }: Pick<Deps, 'log' | 'watch'>): ErrorRequestHandler =>
  (error, req, res, next) => {
    if (res.headersSent) return next(error)
    const requestId = newId()
    const refusal = error instanceof Refusal ? error : new Refusal('internal')
    if (refusal === error) log.info({ requestId, sourceId: req.params.sourceId, code: refusal.code }, 'receive.refused')
    else log.error({ err: error, requestId, sourceId: req.params.sourceId }, 'receive.failed')
    res.setHeader('x-request-id', requestId)
    res.status(refusal.status).json(refusalBody(refusal, requestId))
    watch?.answered?.(answeredOf(res, { code: refusal.code, duplicate: false }))
  }

const answeredOf = ({ locals }: Response, how: Pick<Answered, 'code' | 'duplicate'>): Answered => ({
  ...how,
  seconds: (performance.now() - locals.startedAt) / 1000,
  source: locals.source ?? null,
})
