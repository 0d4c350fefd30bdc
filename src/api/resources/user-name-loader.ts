import type { Queryable } from '../../database/db.ts'
import { type AddToBatch, createBatcher } from '../../workers/batcher.ts'

interface UserNamesQuery {
  clientId: string
  /** Flo users, by UUID. */
  ids: readonly string[]
}

/**
 * The clients' own ids of Flo users, null of a nameless one; a user that the client does not have is left out. Requests that
 * wait at the same time share one statement per client.
 */
export const userNameLoader = (db: Queryable): AddToBatch<UserNamesQuery, ReadonlyMap<string, string | null>> =>
  createBatcher(
    async (asked) => {
      const wanted = Map.groupBy(asked, ({ clientId }) => clientId)
      const found = new Map(
        await Promise.all(
          [...wanted].map(async ([clientId, all]) => [clientId, await loadUserNames(db, clientId, all)] as const),
        ),
      )
      return asked.map(({ clientId }) => found.get(clientId)!)
    },
    { inFlight: 2, spacingMs: 2 },
  )

async function loadUserNames(
  db: Queryable,
  clientId: string,
  asked: readonly UserNamesQuery[],
): Promise<Map<string, string | null>> {
  const { rows } = await db.query(
    'select id, client_user_id from users where client_id = $1 and id = any($2::uuid[])',
    [clientId, [...new Set(asked.flatMap(({ ids }) => ids))]],
  )
  return new Map(rows.map(({ id, client_user_id }) => [id, client_user_id]))
}
