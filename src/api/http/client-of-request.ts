import type { Queryable } from '../../database/db.ts'
import { Refusal } from '../../errors.ts'
import { ownerOf } from './id-owners.ts'
import type { Caller, Route } from './route.ts'

/** What a request names, before anything of it is checked. */
export interface Named {
  params: Record<string, string>
  query: Record<string, unknown>
  body: unknown
}

const notFound = (path: string) =>
  new Refusal('not_found', { details: [{ path, code: 'not_found', message: 'names nothing that this key can see' }] })

/**
 * The client that a request is about, null where nothing says so. Throws `not_found` for an id that does not exist and,
 * just the same, for one of another client: whether it exists is nobody else's business, so this comes before the scopes.
 */
export async function whose(
  db: Queryable,
  { ids }: Pick<Route, 'ids'>,
  caller: Caller,
  { params, query, body }: Named,
): Promise<string | null> {
  let clientId = caller.clientId
  const given = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  for (const named of [query.clientId, given.clientId]) {
    // A key's own client exists: the key would be gone with it.
    if (typeof named !== 'string' || named === clientId) continue
    const owner = await ownerOf(db, 'client', named, clientId)
    if (!owner) throw notFound('clientId')
    clientId = owner
  }
  for (const [name, kind] of Object.entries(ids)) {
    const named = params[name] ?? query[name] ?? given[name]
    if (typeof named !== 'string') continue
    const owner = await ownerOf(db, kind, named, clientId)
    if (owner === undefined) throw notFound(name)
    clientId ??= owner
  }
  return clientId
}
