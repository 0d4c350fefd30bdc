import type pg from 'pg'

/** Names of PostgreSQL's settings with their values, as `set` takes them. */
export type SessionSettings = Readonly<Record<string, string>>

/**
 * What every session of the gateway sets for itself, since a role, a database or the server's file may carry other values. A
 * setting that is not here changes no result: those of the planner, memory and log stay the operator's (docs/operations.md).
 */
export const SESSION_SETTINGS: SessionSettings = {
  // How values are written and read, on the way and in expressions.
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  timezone_abbreviations: 'Default',
  bytea_output: 'hex',
  extra_float_digits: '1',
  xmlbinary: 'base64',
  xmloption: 'content',
  lc_monetary: 'C',
  lc_numeric: 'C',
  lc_time: 'C',
  // What statements mean. Quoted names would not be those of days any more where code reads names of partitions.
  array_nulls: 'on',
  backslash_quote: 'safe_encoding',
  quote_all_identifiers: 'off',
  standard_conforming_strings: 'on',
  transform_null_equals: 'off',
  exit_on_error: 'off',
  check_function_bodies: 'on',
  row_security: 'on',
  restrict_nonsystem_relation_kind: '',
  'plpgsql.extra_errors': 'none',
  // A trigger counts the versions of endpoints; in a session that replays it would not fire. Only a superuser may set this: a
  // role that carries another value and is none cannot connect.
  session_replication_role: 'origin',
  // Columns of Citus take no update.
  default_table_access_method: 'heap',
  // Transactions see what others commit between their statements, and write.
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  // What may last long says so itself: a purge, an index of a migration, the session that is a worker's sign of life. Nothing
  // waits within a transaction for anything but the database.
  statement_timeout: '0',
  lock_timeout: '0',
  transaction_timeout: '0',
  // A process that was stopped in the middle of a transaction keeps rows locked and lists from going on (complete-until.ts).
  idle_in_transaction_session_timeout: '5min',
  idle_session_timeout: '0',
  // The server drops a client that has vanished after 7 s, and releases its locks: by probes while the connection is idle, by
  // the user timeout while data is not acknowledged. The defaults take hours.
  tcp_keepalives_idle: '3',
  tcp_keepalives_interval: '1',
  tcp_keepalives_count: '4',
  tcp_user_timeout: '7000',
  // Plans read only the days that the values name; what is compiled for them takes longer than they do.
  plan_cache_mode: 'auto',
  enable_partition_pruning: 'on',
  constraint_exclusion: 'partition',
  jit: 'off',
  // On Citus a statement that changes many shards uses one connection to each node, shard after shard. The default is one for
  // each shard, each with a transaction to prepare and commit and a slot of max_connections.
  'citus.multi_shard_modify_mode': 'sequential',
  // So long the coordinator tries to reach a node: by default half a minute, for which everybody behind it would wait.
  'citus.node_connection_timeout': '3s',
}

/** As SQL, the schemas that hold a gateway's tables: the role's own path says which is meant where there are several. */
export const GATEWAY_SCHEMAS = `select n.nspname as name from pg_catalog.pg_class t
    join pg_catalog.pg_namespace n on n.oid = t.relnamespace
   where t.relname = 'source_events' and t.relkind in ('r', 'p') and n.nspname !~ '^pg_(temp|toast)'
     and exists (select from pg_catalog.pg_class o where o.relnamespace = n.oid and o.relname = 'source_event_bodies')
   order by pg_catalog.array_position(pg_catalog.current_schemas(false), n.nspname), n.nspname <> 'public', n.nspname`

// Where no gateway has been yet, its tables go where the role's own path puts them.
const SCHEMA = `coalesce((${GATEWAY_SCHEMAS} limit 1),
  case when pg_catalog.current_schema() !~ '^(pg_|information_schema$)' then pg_catalog.current_schema() end, 'public')`

// A webhook that was answered is on disk. How many copies a commit waits for beyond that is the operator's choice.
const DURABLE = `case pg_catalog.current_setting('synchronous_commit')
  when 'off' then 'on' else pg_catalog.current_setting('synchronous_commit') end`

/** So long the server may take for the settings of a session that has just been opened. */
const TIMEOUT_MS = 5000

const QUERY_CANCELED = '57014'

async function liftTimeLimit(run: (statements: string) => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1)
    try {
      return void (await run('set statement_timeout = 0'))
    } catch (error) {
      if ((error as { code?: string }).code !== QUERY_CANCELED || tries === 50) throw error
    }
}

/**
 * Sets what the gateway relies on, and `own` settings of the session in addition, on a session that has just been opened. It is
 * a statement and no startup parameter, since poolers refuse or ignore those. What the server does not know (older versions) is
 * left out, what is right already is not set again.
 */
export async function applySessionSettings(session: pg.Client, own: SessionSettings = {}): Promise<void> {
  const wanted = Object.entries({ ...SESSION_SETTINGS, ...own })
    .map(([name, value]) => `('${name}', '${value.replaceAll("'", "''")}')`)
    .join(', ')
  // The time limit first: the one that the role carries may be shorter than what comes then.
  const text = `set statement_timeout = 0; select pg_catalog.set_config(name, value, false)
      from (values ${wanted}, ('synchronous_commit', ${DURABLE}),
                   ('search_path', pg_catalog.quote_ident(${SCHEMA}) || ', pg_temp')) s(name, value)
     where pg_catalog.current_setting(name, true) <> value or (name ~ '[.]' and pg_catalog.current_setting(name, true) is null)`
  // A text of its own and no prepared statement: a pooler may not know those.
  const run = (statements: string) => session.query({ text: statements, query_timeout: TIMEOUT_MS } as pg.QueryConfig)
  await run(text).catch(async (error) => {
    // The whole text has the limit that was there before it. A limit of milliseconds leaves time for one setting.
    if (error.code !== QUERY_CANCELED) throw error
    await liftTimeLimit(run)
    await run(text)
  })
}
