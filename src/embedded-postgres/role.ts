import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { createSession } from '../database/db.ts'
import type { ServerAccount } from './account.ts'

/** The role that owns the gateway's tables. It is no superuser, who could read and write the server's files. */
export const DATABASE_USER = 'gateway'

/** The superuser that every cluster has. Nobody can connect as it. Until 0.1.0 the gateway did. */
export const BOOTSTRAP_USER = 'flo'

/** Who may connect, as pg_hba.conf: the gateway alone, by its password; all roles of a server that is there to be tried. */
export const accessRules = ({ isSuperuser }: { isSuperuser: boolean }): string =>
  ['# Written by flo-gateway.', ...(isSuperuser ? ['all all', 'replication all'] : [`all ${DATABASE_USER}`])]
    .map((line) => (line.startsWith('#') ? line : `host ${line} 127.0.0.1/32 scram-sha-256`))
    .join('\n')
    .concat('\n')

/** A cluster that is not running, and how its server is started. */
export interface StoppedCluster {
  pgDir: string
  postgres: string
  account: ServerAccount
  flags: readonly string[]
}

/**
 * Makes the gateway's role in a cluster, and the owner of all that was made in its database. Run by the server itself without a
 * connection, as the bootstrap user. Safe to repeat. false: a server runs on the cluster, since another gateway starts as well.
 */
export async function prepareRole(
  cluster: StoppedCluster,
  { password, isSuperuser }: { password: string; isSuperuser: boolean },
): Promise<boolean> {
  return runAlone(cluster, [
    `do $$ begin
       if not exists (select from pg_roles where rolname = '${DATABASE_USER}') then create role ${DATABASE_USER}; end if;
     end $$`,
    `alter role ${DATABASE_USER} login createdb ${isSuperuser ? 'superuser' : 'nosuperuser'} password '${password.replaceAll("'", "''")}'`,
    `alter database postgres owner to ${DATABASE_USER}`,
    ...OWNED_BY_BOOTSTRAP,
    `alter role ${BOOTSTRAP_USER} nologin password null`,
  ])
}

const ours = (namespace: string, owner: string) =>
  `${namespace} in (select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')
   and ${owner} = '${BOOTSTRAP_USER}'::regrole`

// One by one: `reassign owned` refuses the bootstrap user. A table takes its indexes, row types and owned sequences along.
const OWNED_BY_BOOTSTRAP = [
  `do $$ declare one record; begin
     for one in select oid::regclass as name, relkind from pg_class
                 where relkind in ('r', 'p', 'v', 'm', 'f') and ${ours('relnamespace', 'relowner')} loop
       execute format('alter table %s owner to ${DATABASE_USER}', one.name);
     end loop; end $$`,
  `do $$ declare one record; begin
     for one in select oid::regclass as name from pg_class
                 where relkind = 'S' and ${ours('relnamespace', 'relowner')} loop
       execute format('alter sequence %s owner to ${DATABASE_USER}', one.name);
     end loop; end $$`,
  `do $$ declare one record; begin
     for one in select oid::regprocedure as name from pg_proc where ${ours('pronamespace', 'proowner')} loop
       execute format('alter routine %s owner to ${DATABASE_USER}', one.name);
     end loop; end $$`,
  `do $$ declare one record; begin
     for one in select oid::regtype as name from pg_type
                 where typtype in ('c', 'd', 'e', 'r') and typrelid = 0 and ${ours('typnamespace', 'typowner')}
                    or typtype = 'c' and (select relkind from pg_class where pg_class.oid = typrelid) = 'c'
                       and ${ours('typnamespace', 'typowner')} loop
       execute format('alter type %s owner to ${DATABASE_USER}', one.name);
     end loop; end $$`,
  `do $$ declare one record; begin
     for one in select nspname as name from pg_namespace
                 where nspname !~ '^pg_' and nspname <> 'information_schema' and nspowner = '${BOOTSTRAP_USER}'::regrole loop
       execute format('alter schema %I owner to ${DATABASE_USER}', one.name);
     end loop; end $$`,
]

async function runAlone(
  { pgDir, postgres, account, flags }: StoppedCluster,
  statements: readonly string[],
): Promise<boolean> {
  const command = account.buildCommand(postgres, [
    '--single',
    '-j',
    '-D',
    pgDir,
    ...flags,
    '-c',
    'exit_on_error=on',
    'postgres',
  ])
  const server = spawn(command.file, command.args, {
    ...command.options,
    env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
    cwd: '/',
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve, reject) => server.once('error', reject).once('exit', resolve))
  const output = text(server.stderr)
  // With -j a statement ends with a semicolon and an empty line.
  server.stdin.on('error', () => {})
  server.stdin.end(statements.map((statement) => `${statement};\n\n`).join(''))
  const code = await ended
  if (code === 0) return true
  if (/lock file .* already exists|shared memory block .* still in use/.test(await output)) return false
  throw new Error(`PostgreSQL could not prepare the role ${DATABASE_USER} in ${pgDir}:\n${await output}`)
}

/** Whether this cluster is of a gateway that connected as the superuser: its role `flo`, that of the URL, still takes the password. */
export async function hasFormerRole(url: string): Promise<boolean> {
  const session = createSession(url)
  session.on('error', () => {})
  try {
    await session.connect()
    return true
  } catch {
    return false
  } finally {
    await session.end().catch(() => {})
  }
}
