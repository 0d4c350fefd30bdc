import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import { inTransaction, type Queryable } from '../db.ts'
import { Refusal } from '../errors.ts'
import { unstorable, valid } from './body.ts'
import { type Answer, once } from './idempotency.ts'
import { allows } from './keys.ts'
import type { Call, Caller, Deps, Route } from './route.ts'
import { whose } from './whose.ts'

/**
 * The Express handler of a route. In this order: whose it is (404), the scope (403), the schema (422), the work; a request
 * that writes is one transaction. Expects the caller in `res.locals.caller` and the parsed body in `req.body`.
 */
export const served =
  (deps: Deps, route: Route): RequestHandler =>
  async (req, res) => {
    const caller: Caller = res.locals.caller
    const named = { params: req.params as Record<string, string>, query: req.query, body: req.body }
    const clientId = await whose(deps.db, route, caller, named)
    if (!allows(caller, route.scope)) throw new Refusal('forbidden')
    const request = { caller, clientId, ...checked(route, named, clientId) }
    const answer =
      route.method === 'get'
        ? await worked(route, { ...request, db: deps.db, after: (work) => work() })
        : await written(deps, route, request, req)
    send(res, answer)
  }

type Checked = Pick<Call, 'params' | 'query' | 'body'>

function checked(
  route: Route,
  { params, query, body }: { params: Record<string, string>; query: unknown; body: unknown },
  clientId: string | null,
): Checked {
  const poisoned = unstorable(params)
  if (poisoned.length > 0) throw new Refusal('invalid', { details: poisoned })
  const read = {
    params: { ...params, ...valid(z.object(route.params), params) },
    query: valid(route.query, query),
    body: valid(route.body, body === undefined ? {} : body),
  }
  if (route.client === 'one' && clientId === null)
    throw new Refusal('invalid', {
      details: [{ path: 'clientId', code: 'required', message: "is required with an operator's key" }],
    })
  return read
}

async function worked(route: Route, call: Call<any, any, any>): Promise<Answer> {
  const { data, meta = {}, status = route.status } = await route.run(call)
  return { status, text: status === 204 ? '' : JSON.stringify({ data, meta }), replayed: false }
}

async function written(
  { db, keyRing }: Pick<Deps, 'db' | 'keyRing'>,
  route: Route,
  request: Checked & { caller: Caller; clientId: string | null },
  req: Request,
): Promise<Answer> {
  const key = route.method === 'post' ? req.get('idempotency-key') : undefined
  const { keyId } = request.caller
  const { answer, after } = await retried(db, async (tx) => {
    const after: (() => void)[] = []
    const work = () => worked(route, { ...request, db: tx, after: (later) => after.push(later) })
    const answer =
      key === undefined
        ? await work()
        : await once(
            { tx, keyRing },
            { keyId, key, method: route.method, url: req.originalUrl, body: request.body },
            work,
          )
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
