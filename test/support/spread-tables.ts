import type { Queryable } from '../../src/database/db.ts'

const SHARDS = 4
const NODES = 2

/**
 * Brings what Citus would: the catalogs and the function by which the gateway finds out that tables are spread and where a
 * client's rows lie; `alone` is the only client of a node of its own. The tables stay as they are.
 */
export async function pretendSpread(db: Queryable, { alone = '' } = {}): Promise<void> {
  await db.query(`
    create table pg_dist_partition (logicalrelid regclass);
    insert into pg_dist_partition values ('source_events');
    create table pg_dist_placement (shardid bigint, shardstate int, groupid int);
    insert into pg_dist_placement select shard, 1, shard % ${NODES} from generate_series(0, ${SHARDS - 1}) shard;
    insert into pg_dist_placement values (${SHARDS}, 1, ${NODES});
    create function get_shard_id_for_distribution_column(regclass, uuid) returns bigint language sql immutable
      as $$ select case when $2::text = '${alone}' then ${SHARDS} else (hashtext($2::text)::bigint & 2147483647) % ${SHARDS} end $$`)
}

/** The end of `pretendSpread`. */
export async function endPretence(db: Queryable): Promise<void> {
  await db.query(`drop table pg_dist_partition, pg_dist_placement;
                  drop function get_shard_id_for_distribution_column(regclass, uuid)`)
}
