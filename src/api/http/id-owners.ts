import type { Queryable } from '../../database/db.ts'
import { keptCondition } from '../../database/deletions.ts'
import { isUuid } from '../../domain/ids.ts'

const smallTableQueries = (table: string, and = '') => ({
  any: `select client_id from ${table} where id = $1 ${and}`,
  own: `select client_id from ${table} where id = $1 and client_id = $2 ${and}`,
})

// Primary keys of tables that grow begin with the client, so without a client each client's part is probed. This is a join because
// Citus refuses an `exists` whose outer table is on every node.
const growingTableQueries = (table: string) => {
  // What was deleted is not there, though its row may be.
  const where = keptCondition(table) ?? 'true'
  return {
    any: `select t.client_id from clients c join ${table} t on t.client_id = c.id and t.id = $1 where ${where}`,
    own: `select t.client_id from ${table} t where t.client_id = $2 and t.id = $1 and ${where.replaceAll('t.client_id', '$2::uuid')}`,
  }
}

const ownerQueries = {
  client: {
    any: 'select id as client_id from clients where id = $1',
    own: 'select id as client_id from clients where id = $1 and id = $2',
  },
  apiKey: smallTableQueries('api_keys'),
  source: smallTableQueries('sources'),
  // The source of what an application publishes is the client itself.
  sourceOrApp: {
    any: 'select client_id from sources where id = $1 union all select id from clients where id = $1',
    own: `select client_id from sources where id = $1 and client_id = $2
          union all select id from clients where id = $1 and id = $2`,
  },
  endpoint: smallTableQueries('endpoints', 'and deleted_at is null'),
  // What was sent to an endpoint stays readable after the endpoint is deleted.
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
  const { rows } = await (clientId === null
    ? db.query({ name: `owner.any.${kind}`, text: any, values: [id] })
    : db.query({ name: `owner.own.${kind}`, text: own, values: [id, clientId] }))
  return rows[0]?.client_id
}
