import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import { inTransaction, type Queryable } from '../../database/db.ts'
import { Refusal } from '../../errors.ts'
import { unstorable, valid } from './body.ts'
import { allows } from './caller.ts'
import { whose } from './client-of-request.ts'
import { type Answer, type Once, once } from './idempotency.ts'
import type { Call, Caller, Deps, Route } from './route.ts'

/**
 * The Express handler of a route. In this order: whose it is (404), the scope (403), the schema (422), the work; a request
 * that writes is one transaction, unless it takes events in. Expects the caller in `res.locals.caller` and the parsed body in
 * `req.body`.
 */
export function served(deps: Deps, route: Route): RequestHandler {
  const paramsSchema = z.object(route.params)
  return async (req, res) => {
    const caller: Caller = res.locals.caller
    const named = { params: req.params as Record<string, string>, query: req.query, body: req.body }
    const clientId = await whose(deps.db, route, caller, named)
    if (!allows(caller, route.scope)) throw new Refusal('forbidden')
    const read = checked(route, paramsSchema, named, clientId)
    const request = { caller, clientId, ...read, once: onceOf(route, caller, read, req) }
    const answer =
      route.method === 'get' || route.intake
        ? await worked(route, { ...request, db: deps.db, after: (work) => work() })
        : await written(deps, route, request)
    if (route.intake) res.locals.takenIn = true
    send(res, answer)
  }
}

type Checked = Pick<Call, 'params' | 'query' | 'body'>

function checked(
  route: Route,
  paramsSchema: z.ZodObject,
  { params, query, body }: { params: Record<string, string>; query: unknown; body: unknown },
  clientId: string | null,
): Checked {
  const poisoned = unstorable(params)
  if (poisoned.length > 0) throw new Refusal('invalid', { details: poisoned })
  const read = {
    params: { ...params, ...(valid(paramsSchema, params) as Record<string, string>) },
    query: valid(route.query, query),
    body: valid(route.body, body === undefined ? {} : body),
  }
  if (route.client === 'one' && clientId === null)
    throw new Refusal('invalid', {
      details: [{ path: 'clientId', code: 'required', message: "is required with an operator's key" }],
    })
  return read
}

/** What the request's Idempotency-Key says; null where there is none, or nothing to repeat. */
function onceOf(route: Route, { keyId }: Caller, { body }: Checked, req: Request): Once | null {
  const key = route.method === 'post' ? req.get('idempotency-key') : undefined
  return key === undefined ? null : { keyId, key, method: route.method, url: req.originalUrl, body }
}

async function worked(route: Route, call: Call<any, any, any>): Promise<Answer> {
  const { data, meta = {}, status = route.status, replayed = false } = await route.run(call)
  return { status, text: status === 204 ? '' : JSON.stringify({ data, meta }), replayed }
}

async function written(
  { db, keyRing }: Pick<Deps, 'db' | 'keyRing'>,
  route: Route,
  request: Checked & Pick<Call<any, any, any>, 'caller' | 'clientId' | 'once'>,
): Promise<Answer> {
  const { answer, after } = await retried(db, async (tx) => {
    const after: (() => void)[] = []
    const work = () => worked(route, { ...request, db: tx, after: (later) => after.push(later) })
    const answer = request.once ? await once({ tx, keyRing }, request.once, work) : await work()
    return { answer, after }
  })
  for (const work of after) work()
  return answer
}

// Deadlock: the pumps lock deliveries in their own order. Unique violation: two requests made the same thing at once.
const LOST_A_RACE = new Set(['40P01', '23505'])
const TRIES = 3

/** Who loses a race begins again, and then finds what the winner has done. */
async function retried<T>(db: Deps['db'], work: (tx: Queryable) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTransaction(db, work)
    } catch (error) {
      if (!LOST_A_RACE.has((error as { code?: string }).code ?? '') || attempt === TRIES) throw error
    }
  }
}

function send(res: Response, { status, text, replayed }: Answer) {
  if (replayed) res.setHeader('idempotency-replayed', 'true')
  res.status(status)
  if (status !== 204) res.setHeader('content-type', 'application/json; charset=utf-8')
  res.end(text)
}
