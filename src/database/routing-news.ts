import { nameKey } from '../domain/routing.ts'
import type { Queryable } from './db.ts'
import { createRowInsert } from './insert-rows.ts'

/** Something of a routed source that is known since this transaction: a key of routing_waits. */
export interface RoutingNews {
  /** The operator's client, whose source it is. */
  clientId: string
  sourceId: string
  key: string
}

/** Writes down what events may have waited for. Wake the routing room of the operator's client after the commit. */
export const noteRoutingNews = createRowInsert<RoutingNews>({
  name: 'routing.news',
  table: 'routing_news',
  columns: {
    client_id: ({ clientId }) => clientId,
    source_id: ({ sourceId }) => sourceId,
    key: ({ key }) => key,
  },
  end: 'on conflict do nothing',
})

/**
 * The same for names that have come to mean a client, or another one, than before: a route was put, a client got an external id. Without
 * a source it is all sources that are routed. Returns the clients to wake the routing room of.
 */
export async function noteNewNames(
  db: Queryable,
  names: readonly string[],
  source?: { clientId: string; sourceId: string },
): Promise<string[]> {
  const sources = source ? [source] : await readRoutedSources(db)
  await noteRoutingNews(
    db,
    sources.flatMap((one) => names.map((name) => ({ ...one, key: nameKey(name) }))),
  )
  return [...new Set(sources.map(({ clientId }) => clientId))]
}

async function readRoutedSources(db: Queryable): Promise<{ clientId: string; sourceId: string }[]> {
  const { rows } = await db.query<{ clientId: string; sourceId: string }>(
    'select client_id as "clientId", id as "sourceId" from sources where routing is not null',
  )
  return rows
}

/** Has all waiting and unrouted events of a source looked at again: how it tells whose they are has changed. */
export async function lookAtAllAgain(
  db: Queryable,
  { clientId, sourceId }: { clientId: string; sourceId: string },
): Promise<void> {
  await db.query(
    `update routings set due_at = now() where client_id = $1 and source_id = $2 and state in ('waiting', 'unrouted')`,
    [clientId, sourceId],
  )
}
