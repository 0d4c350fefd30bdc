import { readFile } from 'node:fs/promises'
import type pg from 'pg'
import { ConfigError } from '../errors.ts'
import type { Log } from '../log.ts'
import { firstRow } from './rows.ts'
import { GATEWAY_SCHEMAS } from './session-settings.ts'

const OLDEST_POSTGRES = 15
const ENOUGH_LOCKS = 256

/** Throws a ConfigError that says what to do when the server or the database cannot serve a gateway, whoever connects. */
export async function assertServerFits(session: pg.Client): Promise<void> {
  const { rows } = await session.query<{ major: number; version: string; encoding: string; database: string }>(
    `select current_setting('server_version_num')::int / 10000 as major, current_setting('server_version') as version,
            current_setting('server_encoding') as encoding, current_database() as database`,
  )
  const { major, version, encoding, database } = firstRow(rows)
  if (major < OLDEST_POSTGRES)
    throw new ConfigError(`The database is PostgreSQL ${version}: the gateway needs ${OLDEST_POSTGRES} or newer.`)
  if (encoding !== 'UTF8')
    throw new ConfigError(
      `The database "${database}" has the encoding ${encoding}, which cannot hold all that Stripe sends: create one with "create database ... encoding 'UTF8' template template0" and name it in DATABASE_URL.`,
    )
  // What a session starts with is what the role or the database carries.
  const schemas = await session.query<{ name: string; isMeant: boolean }>(
    `select s.name, quote_ident(s.name) = any(string_to_array(replace(p.reset_val, ' ', ''), ',')) as "isMeant"
       from (${GATEWAY_SCHEMAS}) s, pg_settings p where p.name = 'search_path'`,
  )
  if (schemas.rows.length > 1 && !schemas.rows.some(({ isMeant }) => isMeant))
    throw new ConfigError(
      `The database "${database}" has a gateway's tables in several schemas (${schemas.rows.map(({ name }) => name).join(', ')}): say which is meant with "alter database ... set search_path = <schema>".`,
    )
}

/** Throws a ConfigError when the server is a standby, which takes no writes. */
export async function assertTakesWrites(session: pg.Client): Promise<void> {
  const { rows } = await session.query<{ isStandby: boolean }>(`select pg_is_in_recovery() as "isStandby"`)
  if (firstRow(rows).isStandby)
    throw new ConfigError(
      `The server of DATABASE_URL is a standby, which takes no writes: name the primary, or all hosts (postgres://...@one:5432,two:5432/name), of which the gateway finds it.`,
    )
}

/** Warns of what makes trouble later: a lock table that a statement over 90 days may fill (docs/retention.md). */
export async function warnOfFewLocks(session: pg.Client, log: Log): Promise<void> {
  const { rows } = await session.query(`select current_setting('max_locks_per_transaction')::int as locks`)
  if (rows[0].locks < ENOUGH_LOCKS)
    log.warn({ maxLocksPerTransaction: rows[0].locks, atLeast: ENOUGH_LOCKS }, 'database.few_locks')
}

/**
 * Warns where the start of a gateway's transactions cannot be seen, by this process or by another one with another role: lists in
 * ascending order then end a minute ago (complete-until.ts).
 */
export async function warnOfHiddenSessions(session: pg.Client, log: Log): Promise<void> {
  const { rows: own } = await session.query<{ isTracked: boolean }>(
    `select current_setting('track_activities')::bool as "isTracked"`,
  )
  if (!firstRow(own).isTracked)
    log.warn({ mend: 'alter database ... set track_activities = on' }, 'database.activity_untracked')
  // What a role sees are the sessions of the roles that it has the rights of, by the role that it has become since it logged in.
  const { rows } = await session.query<{ who: string; whose: string }>(
    `with roles as (select distinct usename as login, case when usename = session_user then current_user else usename end as acts
                      from pg_stat_activity
                     where datname = current_database() and application_name like 'flo-gateway%' and usename is not null)
     select distinct a.acts as who, b.login as whose from roles a, roles b
      where not pg_has_role(a.acts, b.login, 'usage') and not pg_has_role(a.acts, 'pg_read_all_stats', 'usage')
      order by 1, 2`,
  )
  for (const { who, whose } of rows)
    log.warn({ role: who, hidden: whose, mend: `grant pg_read_all_stats to "${who}"` }, 'database.sessions_hidden')
}

/** The connections that all processes of one gateway have open at once. */
export interface NeededConnections {
  connections: number
  processes: number
}

/** `this process needs 26`, `the 4 processes of this gateway need 104`. */
export const describeNeed = ({ connections, processes }: NeededConnections): string =>
  processes === 1
    ? `this process needs ${connections}`
    : `the ${processes} processes of this gateway need ${connections}`

/**
 * Throws a ConfigError when the server, the database or the role lets fewer connections in than the gateway needs; warns when
 * it lets in enough and others have them at present.
 */
export async function assertConnectionsSuffice(session: pg.Client, need: NeededConnections, log: Log): Promise<void> {
  const { connections: needed, processes } = need
  const { rows } = await session.query<{ what: string; how: string; allowed: number; used: number }>(
    `with me as (select rolname, rolsuper, rolconnlimit from pg_roles where rolname = session_user),
          sessions as (select usename, datname from pg_stat_activity where backend_type = 'client backend')
     select 'the server' as what, 'raise max_connections' as how,
            current_setting('max_connections')::int - case when rolsuper then 0 else
              current_setting('superuser_reserved_connections')::int
                + coalesce(current_setting('reserved_connections', true)::int, 0) end as allowed,
            (select count(*)::int from sessions) as used
       from me
      union all
     select format('role "%s"', rolname), format('alter role "%s" connection limit %s', rolname, 2 * $1::int), rolconnlimit,
            (select count(*)::int from sessions where usename = rolname)
       from me where rolconnlimit >= 0 and not rolsuper
      union all
     select format('database "%s"', d.datname), format('alter database "%s" connection limit %s', d.datname, 2 * $1::int),
            d.datconnlimit, (select count(*)::int from sessions s where s.datname = d.datname)
       from pg_database d, me where d.datname = current_database() and d.datconnlimit >= 0 and not rolsuper
      order by allowed`,
    [needed],
  )
  const least = firstRow(rows)
  if (least.allowed < needed)
    throw new ConfigError(
      `${capitalize(describeNeed(need))} connections to the database, and ${least.what} allows ${Math.max(0, least.allowed)}: ${least.how}, or lower ${processes > 1 ? 'FLO_PROCESSES, ' : ''}FLO_INGEST_CONNECTIONS, FLO_WORK_CONNECTIONS and FLO_API_CONNECTIONS.`,
    )
  // The session that asks is one of those that are open, and ends before the others are.
  for (const { what, allowed, used } of rows)
    if (allowed - used + 1 < needed) log.warn({ what, allowed, used, needed }, 'database.few_connections')
}

const capitalize = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

interface Rights {
  role: string
  schema: string
  /** A gateway has been here before. */
  isKnown: boolean
  owner: string | null
  isMember: boolean
  foreignTables: string[]
  lockedTables: string[]
  hiddenTables: string[]
  mayUse: boolean
  mayCreate: boolean
  mayMakeSchema: boolean
  isJobsForeign: boolean
  missingFunctions: string[]
}

/** Throws a ConfigError, with the statement that mends it, when the role lacks a right that a gateway needs. */
export async function assertRightsSuffice(session: pg.Client): Promise<void> {
  const rights = await readRights(session)
  const lack = findLack(rights)
  if (lack) throw new ConfigError(`The role "${rights.role}" lacks rights in the database: ${lack}.`)
}

async function readRights(session: pg.Client): Promise<Rights> {
  const file = await readFile(new URL('../../sql/schema.sql', import.meta.url), 'utf8')
  const tables = [...file.matchAll(/^create table (\w+)/gm)].map(([, name]) => name)
  const { rows } = await session.query<Rights>(
    `with place as (select coalesce((select name from (${GATEWAY_SCHEMAS}) s limit 1), current_schema(), 'public') as schema),
          ours as (select c.oid, c.relname, c.relowner from pg_class c, place
                    where c.relnamespace = to_regnamespace(quote_ident(place.schema)) and c.relkind in ('r', 'p')
                      and c.relname = any($1)),
          jobs as (select nspowner from pg_namespace where nspname = 'graphile_worker')
     select current_user as role, place.schema, exists (${GATEWAY_SCHEMAS}) as "isKnown",
            (select pg_get_userbyid(relowner) from ours where not pg_has_role(relowner, 'usage') limit 1) as owner,
            (select coalesce(bool_and(pg_has_role(relowner, 'member')), false) from ours) as "isMember",
            array(select relname::text from ours where not pg_has_role(relowner, 'usage') order by 1) as "foreignTables",
            array(select relname::text from ours where not (has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert')
                    and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete')) order by 1) as "lockedTables",
            array(select relname::text from ours where row_security_active(oid) order by 1) as "hiddenTables",
            has_schema_privilege(place.schema, 'usage') as "mayUse", has_schema_privilege(place.schema, 'create') as "mayCreate",
            exists (select from jobs) or has_database_privilege(current_database(), 'create') as "mayMakeSchema",
            exists (select from jobs where not pg_has_role(nspowner, 'usage')) as "isJobsForeign",
            array(select f from unnest($2::text[]) f where not has_function_privilege(f, 'execute')) as "missingFunctions"
       from place`,
    [tables, ['pg_try_advisory_lock(bigint)', 'pg_try_advisory_xact_lock(bigint)', 'pg_notify(text,text)']],
  )
  return firstRow(rows)
}

/** What is missing, and the statement that mends it; null: nothing. */
function findLack(rights: Rights): string | null {
  const { role, schema, owner } = rights
  if (owner !== null && !rights.isKnown)
    return `the schema "${schema}" holds tables of another program with names of the gateway's (${rights.foreignTables.slice(0, 3).join(', ')}): give the gateway a database of its own, or a schema that is first in the role's search_path`
  if (owner !== null) {
    const names = `${rights.foreignTables.slice(0, 3).join(', ')}${rights.foreignTables.length > 3 ? ` and ${rights.foreignTables.length - 3} more` : ''}`
    return rights.isMember
      ? `it is a member of "${owner}", which owns ${names}, but does not inherit: alter role "${role}" set role = "${owner}"`
      : `the tables ${names} belong to "${owner}", and partitions are made and dropped every day: grant "${owner}" to "${role}", or connect as "${owner}"`
  }
  if (!rights.mayUse || !rights.mayCreate)
    return `it may not create tables in the schema "${schema}": grant usage, create on schema "${schema}" to "${role}"`
  if (rights.lockedTables.length > 0)
    return `it may not read and write ${rights.lockedTables.slice(0, 3).join(', ')}: grant select, insert, update, delete on all tables in schema "${schema}" to "${role}"`
  if (rights.hiddenTables.length > 0)
    return `row security hides rows of ${rights.hiddenTables.slice(0, 3).join(', ')}: alter table ... disable row level security`
  if (!rights.mayMakeSchema) return `it may not make the schema graphile_worker: grant create on database to "${role}"`
  if (rights.isJobsForeign)
    return `the schema graphile_worker belongs to another role: alter schema and its tables to "${role}", or grant that role to it`
  if (rights.missingFunctions.length > 0)
    return `it may not call ${rights.missingFunctions.join(', ')}: grant execute on function ${rights.missingFunctions.join(', ')} to "${role}"`
  return null
}
