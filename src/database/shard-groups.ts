import type { Queryable } from './db.ts'

/** Clients whose rows lie in one shard of each table on a Citus cluster. */
export interface ShardGroup {
  /** The node that has the shard. */
  node: string
  clientIds: string[]
}

/** A table whose rows lie where all rows of its client do. */
const COLOCATED_TABLE = 'source_events'

/** Whether a table is one of Citus: distributed over a cluster, or copied to its nodes. */
export async function isCitusTable(db: Queryable, table: string): Promise<boolean> {
  const { rows } = await db.query<{ exists: boolean }>(`select to_regclass('pg_dist_partition') is not null as exists`)
  if (rows[0]?.exists !== true) return false
  const { rowCount } = await db.query('select 1 from pg_dist_partition where logicalrelid = $1::regclass', [table])
  return rowCount === 1
}

/** Whether the rows of clients are distributed over a Citus cluster. */
export const hasShards = (db: Queryable): Promise<boolean> => isCitusTable(db, COLOCATED_TABLE)

/**
 * The shards of all clients, or of those that are named. Only what the coordinator knows by itself is read, so that it answers
 * while other nodes are away. Call it only where there are shards.
 */
export async function readShardGroups(db: Queryable, clientIds?: readonly string[]): Promise<ShardGroup[]> {
  const ids = clientIds ?? (await readClientIds(db))
  const { rows: shards } = await db.query<{ id: string; shard: string }>(
    `select id, get_shard_id_for_distribution_column('${COLOCATED_TABLE}', id)::text as shard from unnest($1::uuid[]) id`,
    [ids],
  )
  const clientsByShard = Map.groupBy(shards, ({ shard }) => shard)
  const { rows: placements } = await db.query<{ shard: string; node: string }>(
    `select shardid::text as shard, groupid::text as node from pg_dist_placement
      where shardid = any($1::bigint[]) and shardstate = 1`,
    [[...clientsByShard.keys()]],
  )
  const nodes = new Map(placements.map(({ shard, node }) => [shard, node]))
  return [...clientsByShard].map(([shard, clients]) => ({
    node: nodes.get(shard) ?? '',
    clientIds: clients.map(({ id }) => id),
  }))
}

async function readClientIds(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>('select id from clients order by id')
  return rows.map(({ id }) => id)
}
