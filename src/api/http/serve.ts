import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import type { Queryable } from '../../database/db.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from './api-deps.ts'
import { findUnstorableText, parseBody, parseOrRefuse } from './body.ts'
import { type Caller, hasScope, shareOf } from './caller.ts'
import { clientOfRequest, type UncheckedRequest } from './client-of-request.ts'
import { answerOnce, type IdempotentRequest, type WireAnswer } from './idempotency.ts'
import type { KeptReplies } from './kept-replies.ts'
import type { RequestDb, RequestSlots } from './request-slots.ts'
import type { ApiCall, Route } from './route.ts'

type RequestCall = ApiCall<unknown, unknown, string | null>
type ParsedRequest = Pick<RequestCall, 'params' | 'query' | 'body'>

/**
 * The Express handler of a route. When the turn of the caller's client has come it checks, in this order, the body (400), the
 * client (404), the scope (403) and the schema (422), then runs the route. A request that writes is one transaction, except
 * intake. Expects the caller in `res.locals.caller` and the bytes of the body in `req.body`.
 */
export function serveRoute(deps: ApiDeps, route: Route, slots: RequestSlots): RequestHandler {
  const answerRequest = requestAnswerer(deps, route, slots)
  return async (req, res) => {
    const share = shareOf(res.locals.caller)
    const answer = await slots.runInTurn({ route, bytes: req.body?.length ?? 0 }, share, async (db) => {
      // Whoever has gone while it waited for its turn hears no answer, and may send it again.
      if (res.closed) throw new Refusal('body_incomplete')
      return answerRequest(req, res, db)
    })
    if (route.intake) res.locals.isIntakeStored = true
    slots.holdReply(share, res, answer.text.length)
    sendAnswer(res, answer)
  }
}

/** Makes the answer to a request. `db` is the pool of its kind of requests. */
function requestAnswerer(deps: ApiDeps, route: Route, { kept }: RequestSlots) {
  const paramsSchema = z.object(route.params)
  return async (req: Request, res: Response, db: RequestDb): Promise<WireAnswer> => {
    const caller: Caller = res.locals.caller
    const body = parseBody(req.body)
    const unchecked = { params: req.params as Record<string, string>, query: req.query, body }
    const clientId = await clientOfRequest(db, route, caller, unchecked)
    if (!hasScope(caller, route.scope)) throw new Refusal('forbidden')
    const parsed = parseRequest(route, paramsSchema, unchecked)
    if (route.client === 'one' && clientId === null)
      throw new Refusal('invalid', {
        details: [{ path: 'clientId', code: 'required', message: "is required with an operator's key" }],
      })
    const idempotency = idempotencyOf(req, caller, parsed)
    const request = { caller, clientId, ...parsed, idempotency }
    return route.method === 'get' || route.intake
      ? runRoute(route, { ...request, db, afterCommit: (work) => work() })
      : runInTransaction({ db, keyRing: deps.keyRing, kept }, route, request)
  }
}

function parseRequest(
  route: Route,
  paramsSchema: z.ZodType<Record<string, string>>,
  { params, query, body }: UncheckedRequest,
): ParsedRequest {
  const unstorable = findUnstorableText(params)
  if (unstorable.length > 0) throw new Refusal('invalid', { details: unstorable })
  return {
    params: { ...params, ...parseOrRefuse(paramsSchema, params) },
    query: parseOrRefuse(route.query, query),
    body: parseOrRefuse(route.body, body === undefined ? {} : body),
  }
}

/** The request's Idempotency-Key with what it belongs to; null without one, and for methods that may be repeated anyway. */
function idempotencyOf(req: Request, { keyId }: Caller, { body }: ParsedRequest): IdempotentRequest | null {
  const key = req.method === 'POST' ? req.get('idempotency-key') : undefined
  return key === undefined ? null : { keyId, key, method: 'post', url: req.originalUrl, body }
}

async function runRoute(route: Route, call: RequestCall): Promise<WireAnswer> {
  const { data, meta = {}, status = route.status, isReplayed = false } = await route.answerCall(call)
  return { status, text: status === 204 ? '' : JSON.stringify({ data, meta }), isReplayed }
}

async function runInTransaction(
  { db, keyRing, kept }: { db: RequestDb; keyRing: ApiDeps['keyRing']; kept: KeptReplies },
  route: Route,
  request: Omit<RequestCall, 'db' | 'afterCommit'>,
): Promise<WireAnswer> {
  const { answer, later } = await retryLostRaces(db, async (tx) => {
    const later: (() => void)[] = []
    const replies = route.storesNothing(request.body) ? null : kept
    const runOnce = () => runRoute(route, { ...request, db: tx, afterCommit: (work) => later.push(work) })
    const answer = request.idempotency
      ? await answerOnce({ tx, keyRing, replies }, request.idempotency, runOnce)
      : await runOnce()
    return { answer, later }
  })
  for (const work of later) work()
  return answer
}

// A deadlock: deliverers lock deliveries in an order of their own. A unique violation: two requests created the same thing.
const LOST_RACE_CODES = new Set(['40P01', '23505'])
const MAX_TRIES = 3

/** Runs the transaction again after it lost a race; it then finds what the winner committed. */
async function retryLostRaces<T>(db: RequestDb, work: (tx: Queryable) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.inTransaction(work)
    } catch (error) {
      if (!LOST_RACE_CODES.has((error as { code?: string }).code ?? '') || attempt === MAX_TRIES) throw error
    }
  }
}

function sendAnswer(res: Response, { status, text, isReplayed }: WireAnswer) {
  if (isReplayed) res.setHeader('idempotency-replayed', 'true')
  res.status(status)
  if (status !== 204) res.setHeader('content-type', 'application/json; charset=utf-8')
  res.end(text)
}
