import type { Queryable } from '../../database/db.ts'
import { OPERATOR_CLIENT } from '../../domain/ids.ts'
import { Refusal } from '../../errors.ts'
import type { Caller } from './caller.ts'
import { ownerOfId } from './id-owners.ts'
import type { Route } from './route.ts'

/** The parts of a request, before any of them is checked. */
export interface UncheckedRequest {
  params: Record<string, string>
  query: Record<string, unknown>
  body: unknown
}

const notFoundRefusal = (path: string) =>
  new Refusal('not_found', { details: [{ path, code: 'not_found', message: 'names nothing that this key can see' }] })

/**
 * The client that a request concerns; null if nothing in it says so. Throws `not_found` for an id that does not exist, and
 * equally for one of another client. It runs before scopes are checked, so that nobody learns whether a foreign id exists.
 */
export async function clientOfRequest(
  db: Queryable,
  { ids, method, namesOtherClient }: Pick<Route, 'ids' | 'method' | 'namesOtherClient'>,
  caller: Caller,
  { params, query, body }: UncheckedRequest,
): Promise<string | null> {
  let clientId = caller.clientId
  const given = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  for (const named of namesOtherClient ? [] : [query.clientId, given.clientId]) {
    // The key's own client exists; the key would have been deleted with it.
    if (typeof named !== 'string' || named === clientId) continue
    // What belongs to the operator's own client can be read; nobody gives it anything.
    const isOperatorRead = named === OPERATOR_CLIENT && clientId === null && method === 'get'
    const owner = isOperatorRead ? named : await ownerOfId(db, 'client', named, clientId)
    if (!owner) throw notFoundRefusal('clientId')
    clientId = owner
  }
  for (const [name, kind] of Object.entries(ids)) {
    const named = params[name] ?? query[name] ?? given[name]
    if (typeof named !== 'string') continue
    const owner = await ownerOfId(db, kind, named, clientId)
    if (owner === undefined) throw notFoundRefusal(name)
    // What a source that routes has sent is in many clients: an operator who reads by it reads of all of them.
    const isOfMany = kind === 'sourceOrApp' && owner === OPERATOR_CLIENT && method === 'get'
    if (!isOfMany) clientId ??= owner
  }
  return clientId
}
