import type { Queryable } from '../../database/db.ts'
import { Refusal } from '../../errors.ts'
import type { Caller } from './caller.ts'
import { ownerOfId } from './id-owners.ts'
import type { Route } from './route.ts'

/** What a request names, before anything of it is checked. */
export interface UncheckedRequest {
  params: Record<string, string>
  query: Record<string, unknown>
  body: unknown
}

const notFoundRefusal = (path: string) =>
  new Refusal('not_found', { details: [{ path, code: 'not_found', message: 'names nothing that this key can see' }] })

/**
 * The client that a request is about, null where nothing says so. Throws `not_found` for an id that does not exist and,
 * just the same, for one of another client: whether it exists is nobody else's business, so this comes before the scopes.
 */
export async function clientOfRequest(
  db: Queryable,
  { ids }: Pick<Route, 'ids'>,
  caller: Caller,
  { params, query, body }: UncheckedRequest,
): Promise<string | null> {
  let clientId = caller.clientId
  const given = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  for (const named of [query.clientId, given.clientId]) {
    // A key's own client exists: the key would be gone with it.
    if (typeof named !== 'string' || named === clientId) continue
    const owner = await ownerOfId(db, 'client', named, clientId)
    if (!owner) throw notFoundRefusal('clientId')
    clientId = owner
  }
  for (const [name, kind] of Object.entries(ids)) {
    const named = params[name] ?? query[name] ?? given[name]
    if (typeof named !== 'string') continue
    const owner = await ownerOfId(db, kind, named, clientId)
    if (owner === undefined) throw notFoundRefusal(name)
    clientId ??= owner
  }
  return clientId
}
