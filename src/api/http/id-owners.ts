import type { Queryable } from '../../database/db.ts'
import { keptConditionOf, type ShownTable } from '../../database/deletions.ts'
import { isUuid, OPERATOR_CLIENT } from '../../domain/ids.ts'

const smallTableQueries = (table: string, and = '') => ({
  any: `select client_id from ${table} where id = $1 ${and}`,
  own: `select client_id from ${table} where id = $1 and client_id = $2 ${and}`,
})

// Primary keys of tables that grow begin with the client, so without a client each client's part is probed. This is a join because
// Citus refuses an `exists` whose outer table is on every node.
const growingTableQueries = (table: string) => ({
  any: `select t.client_id from clients c join ${table} t on t.client_id = c.id and t.id = $1`,
  own: `select t.client_id from ${table} t where t.client_id = $2 and t.id = $1`,
})

// What was deleted is not there, though its row may be. Whether it was is asked of one client, whom the id alone tells first.
const shownTableQueries = (table: ShownTable) => {
  const { any, own } = growingTableQueries(table)
  return { any, own: `${own} and ${keptConditionOf(table, '$2::uuid')}` }
}

const ownerQueries = {
  client: {
    // The operator's own is there for the sources that route their events: it is no client that anybody could change or delete.
    any: `select id as client_id from clients where id = $1 and id <> '${OPERATOR_CLIENT}'`,
    own: 'select id as client_id from clients where id = $1 and id = $2',
  },
  apiKey: smallTableQueries('api_keys'),
  source: smallTableQueries('sources'),
  // The source of what an application publishes is the client itself. One that routes its events is the source of those that it gave
  // to the client, and of nothing else of it.
  sourceOrApp: {
    any: 'select client_id from sources where id = $1 union all select id from clients where id = $1',
    own: `select client_id from sources where id = $1 and client_id = $2
          union all select id from clients where id = $1 and id = $2
          union all (select t.client_id from source_events t join sources s on s.id = t.source_id and s.routing is not null
                      where t.client_id = $2 and t.source_id = $1 limit 1)`,
  },
  endpoint: smallTableQueries('endpoints', 'and deleted_at is null'),
  // What was sent to an endpoint stays readable after the endpoint is deleted.
  endpointEver: smallTableQueries('endpoints'),
  user: growingTableQueries('users'),
  checkout: growingTableQueries('checkouts'),
  backfill: shownTableQueries('backfills'),
  replay: growingTableQueries('replays'),
  sourceEvent: shownTableQueries('source_events'),
  event: shownTableQueries('events'),
  delivery: shownTableQueries('deliveries'),
} as const

/** Kinds whose rows may outlive what they belong to. */
const HIDEABLE: ReadonlySet<string> = new Set(['backfill', 'sourceEvent', 'event', 'delivery'])

/** A kind of thing that an id can name. */
export type IdKind = keyof typeof ownerQueries

/**
 * The client that owns what has this id, null for an operator's API key; undefined if nothing has this id, or nothing of
 * `clientId` if that is given. Nothing has an id that is not a UUID.
 */
export async function ownerOfId(
  db: Queryable,
  kind: IdKind,
  id: string,
  clientId: string | null,
): Promise<string | null | undefined> {
  if (!isUuid(id)) return undefined
  const { any, own } = ownerQueries[kind]
  // Prepared by name, so that they are planned once: deliveries and events have a hundred partitions.
  const readOwner = async (name: string, text: string, values: string[]): Promise<string | null | undefined> =>
    (await db.query({ name, text, values })).rows[0]?.client_id
  const owner = clientId ?? (await readOwner(`owner.any.${kind}`, any, [id]))
  const isFound = clientId === null && !HIDEABLE.has(kind)
  return typeof owner !== 'string' || isFound ? owner : readOwner(`owner.own.${kind}`, own, [id, owner])
}
