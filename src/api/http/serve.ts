import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import { inTransaction, type Queryable } from '../../database/db.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from './api-deps.ts'
import { findUnstorableText, parseOrRefuse } from './body.ts'
import { type Caller, hasScope } from './caller.ts'
import { clientOfRequest, type UncheckedRequest } from './client-of-request.ts'
import { answerOnce, type IdempotentRequest, type WireAnswer } from './idempotency.ts'
import type { ApiCall, Route } from './route.ts'

type RequestCall = ApiCall<unknown, unknown, string | null>
type ParsedRequest = Pick<RequestCall, 'params' | 'query' | 'body'>

/**
 * The Express handler of a route. It checks, in this order, the client (404), the scope (403) and the schema (422), then runs
 * the route. A request that writes is one transaction, except intake. Expects the caller in `res.locals.caller` and the parsed
 * body in `req.body`.
 */
export function serveRoute(deps: ApiDeps, route: Route): RequestHandler {
  const paramsSchema = z.object(route.params)
  return async (req, res) => {
    const caller: Caller = res.locals.caller
    const unchecked = { params: req.params as Record<string, string>, query: req.query, body: req.body }
    const clientId = await clientOfRequest(deps.db, route, caller, unchecked)
    if (!hasScope(caller, route.scope)) throw new Refusal('forbidden')
    const parsed = parseRequest(route, paramsSchema, unchecked)
    if (route.client === 'one' && clientId === null)
      throw new Refusal('invalid', {
        details: [{ path: 'clientId', code: 'required', message: "is required with an operator's key" }],
      })
    const idempotency = idempotencyOf(req, caller, parsed)
    const request = { caller, clientId, ...parsed, idempotency }
    const answer =
      route.method === 'get' || route.intake
        ? await runRoute(route, { ...request, db: deps.db, afterCommit: (work) => work() })
        : await runInTransaction(deps, route, request)
    if (route.intake) res.locals.isIntakeStored = true
    sendAnswer(res, answer)
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
  { db, keyRing }: Pick<ApiDeps, 'db' | 'keyRing'>,
  route: Route,
  request: Omit<RequestCall, 'db' | 'afterCommit'>,
): Promise<WireAnswer> {
  const { answer, later } = await retryLostRaces(db, async (tx) => {
    const later: (() => void)[] = []
    const runOnce = () => runRoute(route, { ...request, db: tx, afterCommit: (work) => later.push(work) })
    const answer = request.idempotency
      ? await answerOnce({ tx, keyRing }, request.idempotency, runOnce)
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
async function retryLostRaces<T>(db: ApiDeps['db'], work: (tx: Queryable) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(db, work)
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
