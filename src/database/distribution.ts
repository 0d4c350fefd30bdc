import { readFile } from 'node:fs/promises'
import type pg from 'pg'
import { ConfigError } from '../errors.ts'
import type { Log } from '../log.ts'
import { isCitusTable } from './shard-groups.ts'
import { splitStatements } from './sql-statements.ts'

const OLDEST_CITUS = 12

/** Whether this database's tables are distributed over a Citus cluster, or some of them: see sql/citus.sql. */
export const isDistributed = (session: pg.Client): Promise<boolean> => isCitusTable(session, 'clients')

/**
 * Distributes the tables that are not distributed yet; returns how many. Each has a transaction of its own: after a failure those
 * before it are done, no row is lost, and the next run or start of a gateway goes on. Throws a ConfigError that says what to do
 * when the cluster is not ready.
 */
export async function distributeTables(session: pg.Client, log: Log): Promise<number> {
  await assertCitusReady(session)
  await prepareCoordinator(session)
  const before = await countCitusTables(session)
  for (const statement of splitStatements(await readFile(new URL('../../sql/citus.sql', import.meta.url), 'utf8')))
    await session.query(statement).catch((cause) => {
      throw new ConfigError(
        `Citus refused "${statement.split('\n')[0]}" (${cause.message}). What was distributed before stays so, and no row is lost: mend it and run flo-gateway migrate --distribute again before a gateway starts.`,
        { cause },
      )
    })
  const newTables = (await countCitusTables(session)) - before
  if (newTables > 0) log.info({ tables: newTables }, 'database.distributed')
  return newTables
}

async function assertCitusReady(session: pg.Client): Promise<void> {
  const { rows: versions } = await session.query(
    `select (select extversion from pg_extension where extname = 'citus') as here,
            exists (select from pg_available_extensions where name = 'citus') as "canBe"`,
  )
  const { here, canBe } = versions[0]
  if (here === null)
    throw new ConfigError(
      canBe
        ? 'Citus is installed on this server, but not in this database: run "create extension citus" in it, on every node.'
        : `This server has no Citus: install Citus ${OLDEST_CITUS} or newer on every node, put it first into shared_preload_libraries, restart, then run "create extension citus" in this database, on every node. See docs/scaling.md.`,
    )
  if (Number.parseInt(here, 10) < OLDEST_CITUS)
    throw new ConfigError(`This is Citus ${here}: the gateway needs ${OLDEST_CITUS} or newer.`)
}

/**
 * Makes sure that the coordinator is registered where there are workers, since some tables stay on it, and lets it hold rows where
 * it is the only node: one that was registered by hand holds none. (When no node is registered, Citus does both itself.)
 */
export async function prepareCoordinator(session: pg.Client): Promise<void> {
  const { rows } = await session.query(
    `select nodename, nodeport, groupid = 0 as coordinates, shouldhaveshards as "takesRows" from pg_dist_node
      where noderole = 'primary' and isactive`,
  )
  const coordinator = rows.find(({ coordinates }) => coordinates)
  if (rows.length > 0 && !coordinator)
    throw new ConfigError(
      `The workers do not know the coordinator, where some tables stay: run "select citus_set_coordinator_host('<its address>', <its port>)" on it.`,
    )
  if (rows.length === 1 && !coordinator.takesRows)
    await session.query(`select citus_set_node_property($1, $2, 'shouldhaveshards', true)`, [
      coordinator.nodename,
      coordinator.nodeport,
    ])
}

async function countCitusTables(session: pg.Client): Promise<number> {
  const { rows } = await session.query(
    `select count(*)::int as tables from pg_dist_partition p join pg_class c on c.oid = p.logicalrelid
      where not c.relispartition and c.relnamespace = current_schema()::regnamespace`,
  )
  return rows[0].tables
}
