import express, {
  type ErrorRequestHandler,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from 'express'
import type { Db } from '../database/db.ts'
import { isUuid, newId } from '../domain/ids.ts'
import { Refusal, refusalBody } from '../errors.ts'
import type { Log } from '../log.ts'
import { type ByteBudget, createByteBudget } from '../network/byte-budget.ts'
import { noteProof } from '../network/connections.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import type { AnsweredWebhook, Watch } from '../watch.ts'
import type { AddToBatch } from '../workers/batcher.ts'
import { BODIES_MAX_BYTES, readRawBody } from './body.ts'
import { readEnvelope } from './envelope.ts'
import type { IncomingEvent } from './insert-events.ts'
import { verifySignature } from './signature.ts'
import { createSourceLoader, type SigningSource } from './sources.ts'
import { createEventStore } from './store.ts'

interface Deps {
  db: Db
  keyRing: KeyRing
  log: Log
  /** The database's clock. */
  now: () => Date
  /** The clock of this machine, by which signatures are judged. */
  wallClock?: (() => Date) | undefined
  /** Called after the commit for each client that has new source events; never awaited, must not throw. */
  onStored: (clientId: string) => void
  /** The same for the operator's client, when events of its sources are to be routed. */
  onUnsettled?: (clientId: string) => void
  /** How long an event waits for its client. */
  holdSeconds?: number
  watch?: Watch
}

/**
 * POST /webhooks/stripe/:sourceId. Answers 200 `{received: true, duplicate}` once the event is committed, else a refusal
 * of src/errors.ts; Stripe sends again for three days whatever was not answered with 200.
 */
export function receiveRoutes(deps: Deps): Router {
  const { db, keyRing, log, now, wallClock = now, watch } = deps
  const router = express.Router()
  const webhook = stripeWebhookHandler({
    loadSource: createSourceLoader({ db, log }),
    storeEvent: createEventStore({ ...deps, via: 'stripe' }),
    keyRing,
    now,
    wallClock,
    watch,
  })
  router.post('/webhooks/stripe/:sourceId', webhook, refusalHandler({ log, watch }))
  return router
}

interface WebhookHandlerDeps {
  loadSource: AddToBatch<string, SigningSource | undefined>
  storeEvent: AddToBatch<IncomingEvent, { duplicate: boolean }>
  /** What is held of bodies, each client in its own share. */
  bodies?: ByteBudget
  keyRing: Pick<KeyRing, 'decrypt'>
  now: () => Date
  wallClock?: () => Date
  watch?: Watch | undefined
}

/** Handles one webhook: finds its source, reads the bytes, verifies the signature, reads the envelope, stores the event, answers. */
export function stripeWebhookHandler({
  loadSource,
  storeEvent,
  bodies = createByteBudget(BODIES_MAX_BYTES),
  keyRing,
  now,
  wallClock = now,
  watch,
}: WebhookHandlerDeps): RequestHandler<{ sourceId: string }> {
  return async (req, res) => {
    res.locals.startedAt = performance.now()
    const source = isUuid(req.params.sourceId) ? await loadSource(req.params.sourceId.toLowerCase()) : undefined
    // Before the body is read: a request without a valid source id must cost no memory.
    if (!source) throw new Refusal('source_not_found')
    if (isEncoded(req))
      throw new Refusal('unsupported_media_type', { message: 'Send the body without a Content-Encoding.' })
    if (bodies.keptBytes(source.clientId) > BODIES_MAX_BYTES / 2)
      throw new Refusal('overloaded', { retryAfterSeconds: 1 })
    const { bytes, held } = await readRawBody(req, { budget: bodies, share: source.clientId })
    res.once('close', held.release)
    res.locals.source = source
    verifySignature(bytes, req.get('stripe-signature'), source.sealedSecrets.map(keyRing.decrypt), wallClock())
    held.keep()
    noteProof(req, 'webhook')
    const envelope = readEnvelope(bytes, source, now())
    const { duplicate } = await storeEvent({ ...envelope, clientId: source.clientId, sourceId: source.id, bytes })
    // Written by hand: res.json would spend as much time on an ETag as the signature takes.
    res.setHeader('content-type', 'application/json; charset=utf-8')
    res.end(duplicate ? '{"received":true,"duplicate":true}' : '{"received":true,"duplicate":false}')
    watch?.onWebhookAnswered?.(answerFacts(res, { code: null, duplicate }))
  }
}

/** Nothing is decompressed: what is signed are the bytes that arrive. */
const isEncoded = (req: Pick<Request, 'get'>): boolean =>
  !['', 'identity'].includes((req.get('content-encoding') ?? '').trim().toLowerCase())

// A success is found by its row; a refusal only in the log.
const refusalHandler =
  ({ log, watch }: Pick<Deps, 'log' | 'watch'>): ErrorRequestHandler =>
  (error, req, res, next) => {
    if (res.headersSent) return next(error)
    const requestId = newId()
    const refusal = error instanceof Refusal ? error : new Refusal('internal')
    if (refusal === error) log.info({ requestId, sourceId: req.params.sourceId, code: refusal.code }, 'receive.refused')
    else log.error({ err: error, requestId, sourceId: req.params.sourceId }, 'receive.failed')
    res.setHeader('x-request-id', requestId)
    if (refusal.retryAfterSeconds !== undefined) res.setHeader('retry-after', refusal.retryAfterSeconds)
    res.status(refusal.status).json(refusalBody(refusal, requestId))
    watch?.onWebhookAnswered?.(answerFacts(res, { code: refusal.code, duplicate: false }))
  }

const answerFacts = ({ locals }: Response, how: Pick<AnsweredWebhook, 'code' | 'duplicate'>): AnsweredWebhook => ({
  ...how,
  seconds: (performance.now() - locals.startedAt) / 1000,
  source: locals.source ?? null,
})
