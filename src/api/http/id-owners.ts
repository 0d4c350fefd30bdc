import type { Queryable } from '../../database/db.ts'
import { isUuid } from '../../domain/ids.ts'

const smallTableQueries = (table: string, and = '') => ({
  any: `select client_id from ${table} where id = $1 ${and}`,
  own: `select client_id from ${table} where id = $1 and client_id = $2 ${and}`,
})

// The keys of tables that grow begin with the client: without one, each client's part is probed. A join, since Citus takes no
// `exists` whose outer table is on every node.
const growingTableQueries = (table: string) => ({
  any: `select t.client_id from clients c join ${table} t on t.client_id = c.id and t.id = $1`,
  own: `select client_id from ${table} where client_id = $2 and id = $1`,
})

const ownerQueries = {
  client: {
    any: 'select id as client_id from clients where id = $1',
    own: 'select id as client_id from clients where id = $1 and id = $2',
  },
  apiKey: smallTableQueries('api_keys'),
  source: smallTableQueries('sources'),
  // What an application publishes has its client for a source.
  sourceOrApp: {
    any: 'select client_id from sources where id = $1 union all select id from clients where id = $1',
    own: `select client_id from sources where id = $1 and client_id = $2
          union all select id from clients where id = $1 and id = $2`,
  },
  endpoint: smallTableQueries('endpoints', 'and deleted_at is null'),
  // What was sent to an endpoint stays readable after it is deleted.
  endpointEver: smallTableQueries('endpoints'),
  user: growingTableQueries('users'),
  checkout: growingTableQueries('checkouts'),
  backfill: growingTableQueries('backfills'),
  replay: growingTableQueries('replays'),
  sourceEvent: growingTableQueries('source_events'),
  event: growingTableQueries('events'),
  delivery: growingTableQueries('deliveries'),
} as const

/** A kind of thing that an id can name. */
export type IdKind = keyof typeof ownerQueries

/**
 * The client that owns the thing of this id, null for an operator's api-key; undefined when there is no such thing, or
 * none of `clientId` where that is given. An id that is no UUID names nothing.
 */
export async function ownerOfId(
  db: Queryable,
  kind: IdKind,
  id: string,
  clientId: string | null,
): Promise<string | null | undefined> {
  if (!isUuid(id)) return undefined
  const { any, own } = ownerQueries[kind]
  // By name, so that they are planned once: what is kept of deliveries and events has a hundred partitions.
  const { rows } = await (clientId === null
    ? db.query({ name: `owner.any.${kind}`, text: any, values: [id] })
    : db.query({ name: `owner.own.${kind}`, text: own, values: [id, clientId] }))
  return rows[0]?.client_id
}
