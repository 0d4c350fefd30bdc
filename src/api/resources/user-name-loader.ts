import type { Queryable } from '../../database/db.ts'
import { type AddToBatch, createBatcher } from '../../workers/batcher.ts'

interface UserNamesQuery {
  clientId: string
  /** Flo users, by UUID. */
  ids: readonly string[]
}

/**
 * The clients' own ids of Flo users, null for a user without one; a user that the client does not have is left out. Requests
 * that wait at the same time share one statement per client.
 */
export const userNameLoader = (db: Queryable): AddToBatch<UserNamesQuery, ReadonlyMap<string, string | null>> =>
  createBatcher(
    async (queries) => {
      const byClient = new Map<string, Promise<Map<string, string | null>>>()
      for (const [clientId, ofClient] of Map.groupBy(queries, (query) => query.clientId))
        byClient.set(clientId, loadUserNames(db, clientId, ofClient))
      return Promise.all(queries.map(async ({ clientId }) => (await byClient.get(clientId)) ?? new Map()))
    },
    { inFlight: 2, spacingMs: 2 },
  )

async function loadUserNames(
  db: Queryable,
  clientId: string,
  queries: readonly UserNamesQuery[],
): Promise<Map<string, string | null>> {
  const { rows } = await db.query(
    'select id, client_user_id from users where client_id = $1 and id = any($2::uuid[])',
    [clientId, [...new Set(queries.flatMap(({ ids }) => ids))]],
  )
  return new Map(rows.map(({ id, client_user_id }) => [id, client_user_id]))
}
