import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import { inTransaction, type Queryable } from '../../database/db.ts'
import { Refusal } from '../../errors.ts'
import { findUnstorableText, parseOrRefuse } from './body.ts'
import { hasScope } from './caller.ts'
import { clientOfRequest } from './client-of-request.ts'
import { answerOnce, type IdempotentRequest, type WireAnswer } from './idempotency.ts'
import type { ApiCall, ApiDeps, Caller, Route } from './route.ts'

/**
 * The Express handler of a route. In this order: whose it is (404), the scope (403), the schema (422), the work; a request
 * that writes is one transaction, unless it takes events in. Expects the caller in `res.locals.caller` and the parsed body in
 * `req.body`.
 */
export function serveRoute(deps: ApiDeps, route: Route): RequestHandler {
  const paramsSchema = z.object(route.params)
  return async (req, res) => {
    const caller: Caller = res.locals.caller
    const named = { params: req.params as Record<string, string>, query: req.query, body: req.body }
    const clientId = await clientOfRequest(deps.db, route, caller, named)
    if (!hasScope(caller, route.scope)) throw new Refusal('forbidden')
    const read = parseRequest(route, paramsSchema, named, clientId)
    const request = { caller, clientId, ...read, idempotency: idempotencyOf(route, caller, read, req) }
    const answer =
      route.method === 'get' || route.intake
        ? await runRoute(route, { ...request, db: deps.db, afterCommit: (work) => work() })
        : await runInTransaction(deps, route, request)
    if (route.intake) res.locals.isIntakeStored = true
    sendAnswer(res, answer)
  }
}

type ParsedRequest = Pick<ApiCall, 'params' | 'query' | 'body'>

function parseRequest(
  route: Route,
  paramsSchema: z.ZodObject,
  { params, query, body }: { params: Record<string, string>; query: unknown; body: unknown },
  clientId: string | null,
): ParsedRequest {
  const poisoned = findUnstorableText(params)
  if (poisoned.length > 0) throw new Refusal('invalid', { details: poisoned })
  const read = {
    params: { ...params, ...(parseOrRefuse(paramsSchema, params) as Record<string, string>) },
    query: parseOrRefuse(route.query, query),
    body: parseOrRefuse(route.body, body === undefined ? {} : body),
  }
  if (route.client === 'one' && clientId === null)
    throw new Refusal('invalid', {
      details: [{ path: 'clientId', code: 'required', message: "is required with an operator's key" }],
    })
  return read
}

/** What the request's Idempotency-Key says; null where there is none, or nothing to repeat. */
function idempotencyOf(
  route: Route,
  { keyId }: Caller,
  { body }: ParsedRequest,
  req: Request,
): IdempotentRequest | null {
  const key = route.method === 'post' ? req.get('idempotency-key') : undefined
  return key === undefined ? null : { keyId, key, method: route.method, url: req.originalUrl, body }
}

async function runRoute(route: Route, call: ApiCall<any, any, any>): Promise<WireAnswer> {
  const { data, meta = {}, status = route.status, isReplayed: replayed = false } = await route.answerCall(call)
  return { status, text: status === 204 ? '' : JSON.stringify({ data, meta }), isReplayed: replayed }
}

async function runInTransaction(
  { db, keyRing }: Pick<ApiDeps, 'db' | 'keyRing'>,
  route: Route,
  request: ParsedRequest & Pick<ApiCall<any, any, any>, 'caller' | 'clientId' | 'idempotency'>,
): Promise<WireAnswer> {
  const { answer, after } = await retryLostRaces(db, async (tx) => {
    const after: (() => void)[] = []
    const work = () => runRoute(route, { ...request, db: tx, afterCommit: (later) => after.push(later) })
    const answer = request.idempotency ? await answerOnce({ tx, keyRing }, request.idempotency, work) : await work()
    return { answer, after }
  })
  for (const work of after) work()
  return answer
}

// Deadlock: the pumps lock deliveries in their own order. Unique violation: two requests made the same thing at once.
const LOST_A_RACE = new Set(['40P01', '23505'])
const TRIES = 3

/** Who loses a race begins again, and then finds what the winner has done. */
async function retryLostRaces<T>(db: ApiDeps['db'], work: (tx: Queryable) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(db, work)
    } catch (error) {
      if (!LOST_A_RACE.has((error as { code?: string }).code ?? '') || attempt === TRIES) throw error
    }
  }
}

function sendAnswer(res: Response, { status, text, isReplayed: replayed }: WireAnswer) {
  if (replayed) res.setHeader('idempotency-replayed', 'true')
  res.status(status)
  if (status !== 204) res.setHeader('content-type', 'application/json; charset=utf-8')
  res.end(text)
}
