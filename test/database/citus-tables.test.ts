import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createSession } from '../../src/database/db.ts'
import { distributeTables, isDistributed, prepareCoordinator } from '../../src/database/distribution.ts'
import { migrateDatabase } from '../../src/database/migrate.ts'
import { retryWhileLocked } from '../../src/database/partitions.ts'
import { splitStatements } from '../../src/database/sql-statements.ts'
import { newLog } from '../../src/log.ts'
import { runCommand } from '../support/command.ts'
import { emptyDatabase, freshDatabase } from '../support/database.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { placement } from '../support/placement.ts'

const { url, db } = await freshDatabase()
const { distributed, reference, local } = placement
const file = readFileSync(new URL('../../sql/citus.sql', import.meta.url), 'utf8')

test('every table is distributed, a copy on every node, or on the coordinator, and only one of them', async () => {
  const { rows } = await db.query(
    `select relname as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition order by relname`,
  )
  expect([...distributed, ...reference, ...local].sort()).toEqual(rows.map(({ name }) => name))
})

test('docs/scaling.md tells of each table where it is', () => {
  const docs = readFileSync(new URL('../../docs/scaling.md', import.meta.url), 'utf8')
  const named = (row: string) =>
    [...(new RegExp(`^\\| ${row}[^|]*\\| ([^|]+) \\|`, 'm').exec(docs)?.[1] ?? '').matchAll(/`(\w+)`/g)].map(
      ([, name]) => name,
    )
  expect(named('distributed').sort()).toEqual([...distributed].sort())
  expect(named('a copy').sort()).toEqual([...reference].sort())
  expect(named('on the coordinator').sort()).toEqual([...local].sort())
})

test('every primary key, unique constraint and unique index of a distributed table begins with client_id', async () => {
  const { rows } = await db.query(
    `select i.indrelid::regclass::text as table, a.attname as first
       from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
      where i.indisunique and i.indrelid = any($1::regclass[])`,
    [distributed],
  )
  expect(new Set(rows.map((row) => row.table))).toEqual(new Set(distributed))
  expect(rows.filter(({ first }) => first !== 'client_id')).toEqual([])
})

test('every index of a distributed table begins with client_id, but for one that finds a dead worker’s leases', async () => {
  const { rows } = await db.query(
    `select i.indrelid::regclass::text as table, coalesce(a.attname, 'an expression') as first
       from pg_index i left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
      where i.indrelid = any($1::regclass[]) and a.attname is distinct from 'client_id'`,
    [distributed],
  )
  expect(rows).toEqual([{ table: 'leases', first: 'worker_id' }])
})

test('what many shards are changed by goes over one connection to each node of a cluster', async () => {
  const { rows } = await db.query(`select current_setting('citus.multi_shard_modify_mode') as mode`)
  expect(rows).toEqual([{ mode: 'sequential' }])
})

test('a change of partitions that rows have locked out on another node is tried again', async () => {
  let tries = 0
  const done = await retryWhileLocked(async () => {
    tries += 1
    if (tries < 3) throw Object.assign(new Error('involved in a distributed deadlock'), { code: '40P01' })
  })
  expect([done, tries]).toEqual([true, 3])
})

test('foreign keys stay among the tables that are on every node', async () => {
  const { rows } = await db.query(
    `select conrelid::regclass::text as child, confrelid::regclass::text as parent from pg_constraint where contype = 'f'`,
  )
  expect(rows.length).toBeGreaterThan(0)
  for (const { child, parent } of rows) expect(reference).toEqual(expect.arrayContaining([child, parent]))
})

test('client_id is a uuid that is never null, and no distributed table has a trigger, a sequence or rules', async () => {
  const { rows } = await db.query(
    `select c.relname as name, c.relhastriggers or c.relhasrules
            or exists (select from pg_depend where refobjid = c.oid and deptype in ('a', 'i') and classid = 'pg_class'::regclass
                         and (select relkind from pg_class s where s.oid = objid) = 'S') as more,
            a.atttypid::regtype::text as type, a.attnotnull as always
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'client_id'
      where c.oid = any($1::regclass[])`,
    [distributed],
  )
  expect(rows.length).toBe(distributed.length)
  expect(rows.filter(({ more, type, always }) => more || type !== 'uuid' || !always)).toEqual([])
})

test('Citus is told each table once, also when it fails on the way and is asked again', async () => {
  const session = createSession(url)
  await session.connect()
  // Stands for Citus: notes what it is told. What Citus itself makes of it only a cluster shows.
  await session.query(`
    create schema citus; set search_path = public, citus;
    create table citus.pg_dist_partition (logicalrelid regclass, partmethod "char", repmodel "char", colocationid int);
    create table citus.pg_dist_object (classid oid, objid oid);
    create table citus.told (what text);
    create function citus.create_distributed_function(f regprocedure) returns void language sql as
      $$ insert into pg_dist_object values ('pg_proc'::regclass, f); insert into told values ('function') $$;
    create function citus.create_reference_table(t regclass) returns void language plpgsql as $$ begin
      if exists (select from pg_constraint where conrelid = t and contype = 'f') then raise 'a foreign key'; end if;
      if exists (select from pg_trigger where tgrelid = t and not tgisinternal) then raise 'a trigger'; end if;
      insert into pg_dist_partition values (t, 'n', 't', 1); insert into told values (t); end $$;
    create function citus.create_distributed_table(t regclass, c text, colocate_with text) returns void language plpgsql as $$ begin
      if t = 'deliveries'::regclass and current_setting('test.fails', true) = 'on' then raise 'the disk is full'; end if;
      insert into pg_dist_partition values (t, 'h', 's', 2); insert into told values (t || ' by ' || c); end $$;
    create function citus.truncate_local_data_after_distributing_table(t regclass) returns void language sql as
      $$ insert into told values ('emptied ' || t) $$;
    set test.fails = 'on'`)
  await session.query(`insert into clients (id, name) values (gen_random_uuid(), 'Kept')`)
  await session.query(`insert into alarms (client_id, type, subject) select id, 'a', 'b' from clients`)
  const run = async () => {
    for (const statement of splitStatements(file)) await session.query(statement)
  }
  const told = async () => (await session.query('select what from told')).rows.map(({ what }) => what as string)
  try {
    expect(await isDistributed(session)).toBe(false)
    await expect(run()).rejects.toThrow('the disk is full')
    expect(await isDistributed(session)).toBe(true)
    expect(await told()).not.toContain('attempts by client_id')
    await session.query('reset test.fails')
    await run()
    const expected = ['function', ...reference, ...distributed.map((name) => `${name} by client_id`), 'emptied alarms']
    expect((await told()).sort()).toEqual(expected.sort())
    const { rows } = await session.query(
      `select count(*)::int as links from pg_constraint where contype = 'f' and confrelid = 'clients'::regclass and convalidated`,
    )
    expect(rows[0].links).toBe(3)
  } finally {
    await session.end()
  }
})

test.each([
  ['no node is registered: Citus registers the only one itself', [], ''],
  ['workers without a coordinator', [[1, true]], /citus_set_coordinator_host/],
  [
    'a coordinator and workers',
    [
      [0, false],
      [1, true],
      [2, true],
    ],
    '',
  ],
  ['a coordinator alone, which takes rows', [[0, true]], ''],
  ['a coordinator alone that takes none', [[0, false]], 'pg-0 5432 shouldhaveshards'],
] as const)('%s', async (_, nodes, expected) => {
  const { url } = await freshDatabase()
  const session = createSession(url)
  await session.connect()
  await session.query(`
    create table pg_dist_node (nodename text, nodeport int, groupid int, shouldhaveshards bool,
                               noderole text default 'primary', isactive bool default true);
    create table told (what text);
    create function citus_set_node_property(n text, p int, what text, on_ bool) returns void language sql as
      $$ insert into told values (n || ' ' || p || ' ' || what) $$`)
  for (const [group, takesRows] of nodes)
    await session.query('insert into pg_dist_node values ($1, 5432, $2, $3)', [`pg-${group}`, group, takesRows])
  if (expected instanceof RegExp) await expect(prepareCoordinator(session)).rejects.toThrow(expected)
  else {
    await prepareCoordinator(session)
    const { rows } = await session.query('select what from told')
    expect(rows.map(({ what }) => what).join()).toBe(expected)
  }
  await session.end()
})

test('migrate without more brings a database up to date and says so', async () => {
  const { code, stdout } = await runCommand('migrate', await temporaryFolder(), environment(await emptyDatabase()))
  expect(code).toBe(0)
  expect(stdout).toMatch(/^000001_initial\n(.*\n)+The database is up to date\.$/m)
})

test('a server without Citus is told what to install, and stays as it was', async () => {
  const { url } = await freshDatabase()
  const session = createSession(url)
  await session.connect()
  await expect(distributeTables(session, newLog('silent'))).rejects.toThrow(/has no Citus: install Citus 12 or newer/)
  await session.end()
  const { code, stderr } = await runCommand('migrate --distribute', await temporaryFolder(), environment(url))
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('create extension citus') })
  expect(await migrateDatabase({ url, log: newLog('silent') })).toEqual([])
})

test('nothing is distributed while a gateway is at work', async () => {
  const { databaseUrl } = await startTestGateway()
  const { code, stderr } = await runCommand('migrate --distribute', await temporaryFolder(), environment(databaseUrl))
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(/Gateways are running \(process \d+ on .+\): stop them/),
  })
})
