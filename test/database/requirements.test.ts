import { randomBytes } from 'node:crypto'
import { describe, expect, inject, test } from 'vitest'
import { openPool } from '../../src/database/db.ts'
import { migrateDatabase } from '../../src/database/migrate.ts'
import { ConfigError } from '../../src/errors.ts'
import { newLog } from '../../src/log.ts'
import { afterwards } from '../support/afterwards.ts'
import { emptyDatabase, freshDatabase, onServer } from '../support/database.ts'

const server = inject('postgresUrl')
const log = newLog('silent')
const nameOf = (url: string) => new URL(url).pathname.slice(1)

/** The URL of this database as a new role that may log in; the role is dropped after the file. */
async function urlOfRole(url: string, attributes = ''): Promise<{ role: string; url: string }> {
  const role = `role_${randomBytes(6).toString('hex')}`
  await onServer(server, `create role ${role} login password 'secret' ${attributes}`)
  afterwards(async () => {
    await onServer(url, `drop owned by ${role} cascade`).catch(() => {})
    await onServer(server, `drop role ${role}`).catch(() => {})
  })
  return { role, url: Object.assign(new URL(url), { username: role, password: 'secret' }).href }
}

/** Makes a role the owner of all that a gateway has in this database. */
async function giveTables(url: string, role: string) {
  await onServer(server, `grant create on database ${nameOf(url)} to ${role}`)
  await onServer(
    url,
    `do $$ declare name text; begin
       grant usage, create on schema public to ${role};
       alter schema graphile_worker owner to ${role};
       for name in select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'graphile_worker') loop
         execute format('alter table %s owner to ${role}', name);
       end loop;
     end $$`,
  )
}

/** The line that the operator gets instead of a start; fails where there is none, or where it is no single line. */
async function refusalOf(url: string, connections?: number): Promise<string> {
  const error = await migrateDatabase({ url, log, connections }).catch((error) => error)
  expect(error).toBeInstanceOf(ConfigError)
  expect(error.message).not.toMatch(/\n|secret/)
  return error.message
}

describe('a database that cannot serve is refused in one line that says what to do', () => {
  test.each([
    ['LATIN1', `'en_US.LATIN1'`],
    ['SQL_ASCII', 'C'],
    ['WIN1252', 'C'],
  ])('encoding %s', async (encoding) => {
    const name = `test_${randomBytes(8).toString('hex')}`
    await onServer(
      server,
      `create database ${name} encoding '${encoding}' template template0 locale_provider libc locale 'C'`,
    )
    afterwards(() => onServer(server, `drop database ${name} with (force)`))
    expect(await refusalOf(server.replace(/postgres$/, name))).toMatch(
      new RegExp(`"${name}" has the encoding ${encoding}.*create database \\.\\.\\. encoding 'UTF8'`),
    )
  })

  test('a wrong password, an unknown role and database, nobody there', async () => {
    const url = await emptyDatabase()
    const wrong = (change: Partial<URL>) => Object.assign(new URL(url), change).href
    expect(await refusalOf(wrong({ password: 'no' }))).toMatch(
      /does not accept the password of "\w+"\. Check .*DATABASE_URL/,
    )
    expect(await refusalOf(wrong({ password: '' }))).toMatch(/does not accept the password of "\w+"/)
    expect(await refusalOf(wrong({ username: 'nobody' }))).toMatch(/password of "nobody"/)
    expect(await refusalOf(wrong({ pathname: '/nowhere' }))).toMatch(/no database "nowhere" at 127\.0\.0\.1.*create it/)
    expect(await refusalOf(wrong({ port: '1' }))).toMatch(/cannot be reached \(.*ECONNREFUSED.*\): check DATABASE_URL/)
    expect(await refusalOf(wrong({ hostname: 'no-such-host.invalid' }))).toMatch(/cannot be reached .*no-such-host/)
    expect(await refusalOf(`${url}?sslmode=require`)).toMatch(/has no TLS.*sslmode/)
  })

  test('a parameter that the server does not know', async () => {
    const url = await emptyDatabase()
    expect(await refusalOf(`${url}?options=-c%20no_such_setting%3D1`)).toMatch(
      /"options" in DATABASE_URL, or PGOPTIONS/,
    )
  })

  test("a table or view of another program with a name of the gateway's, whoever owns it", async () => {
    for (const [made, said] of [
      ['create table clients (id int)', /holds tables of another program .*\(clients\)/],
      ['create view endpoints as select 1 as one', /holds something of another program/],
    ] as const) {
      const url = await emptyDatabase()
      await onServer(url, made)
      const { url: theirs, role } = await urlOfRole(url)
      await onServer(
        url,
        `grant create on schema public to ${role}; grant create on database ${nameOf(url)} to ${role}`,
      )
      expect(await refusalOf(theirs)).toMatch(said)
    }
    const url = await emptyDatabase()
    const { url: theirs, role } = await urlOfRole(url)
    await onServer(url, `create table events (id int); alter table events owner to ${role}`)
    await onServer(url, `grant create on schema public to ${role}; grant create on database ${nameOf(url)} to ${role}`)
    expect(await refusalOf(theirs)).toMatch(/holds something of another program/)
  })

  test('an event trigger that forbids what a migration does', async () => {
    const url = await emptyDatabase()
    await onServer(
      url,
      `create function forbid() returns event_trigger language plpgsql as $$ begin raise exception 'not here'; end $$;
       create event trigger forbidden on ddl_command_start when tag in ('CREATE TABLE') execute function forbid()`,
    )
    expect(await refusalOf(url)).toMatch(/could not be brought up to date, and are as they were \(not here\)/)
  })

  test('a role or database that may not connect', async () => {
    const url = await emptyDatabase()
    const { role, url: theirs } = await urlOfRole(url)
    await onServer(server, `alter role ${role} nologin`)
    expect(await refusalOf(theirs)).toMatch(/does not let "role_.*may log in/)
    await onServer(server, `alter role ${role} login`)
    await onServer(server, `revoke connect on database ${nameOf(url)} from public`)
    expect(await refusalOf(theirs)).toMatch(/lacks a right: grant it/)
    await onServer(server, `alter database ${nameOf(url)} allow_connections false`)
    expect(await refusalOf(url)).toMatch(/takes no connections: alter database/)
  })

  test('a setting that only a superuser may put right', async () => {
    const url = await emptyDatabase()
    const { role, url: theirs } = await urlOfRole(url)
    await onServer(server, `alter role ${role} set session_replication_role = replica`)
    expect(await refusalOf(theirs)).toMatch(/alter role "role_\w+" reset session_replication_role/)
  })

  test('fewer connections than the process needs, of the role, the database and the server', async () => {
    const url = await emptyDatabase()
    const { role, url: theirs } = await urlOfRole(url)
    await onServer(server, `grant all on database ${nameOf(url)} to ${role}`)
    await onServer(url, `grant all on schema public to ${role}`)
    await onServer(server, `alter role ${role} connection limit 19`)
    expect(await refusalOf(theirs, 20)).toMatch(
      /needs 20 connections.* role "role_\w+" allows 19: alter role .* 40, or lower FLO_INGEST_CONNECTIONS/,
    )
    await onServer(server, `alter role ${role} connection limit -1`)
    await onServer(server, `alter database ${nameOf(url)} connection limit 5`)
    expect(await refusalOf(theirs, 20)).toMatch(
      /database "test_\w+" allows 5: alter database .* connection limit 40, or lower/,
    )
    await onServer(server, `alter database ${nameOf(url)} connection limit -1`)
    expect(await refusalOf(theirs, 298)).toMatch(/the server allows 297: raise max_connections, or lower/)
    await onServer(server, `alter role ${role} connection limit 0`)
    expect(await refusalOf(theirs)).toMatch(/no connection left for "role_/)
    await onServer(server, `alter role ${role} connection limit 20`)
    expect(await migrateDatabase({ url: theirs, log, connections: 20 })).not.toEqual([])
  })
})

describe('rights that are missing are refused with the statement that grants them', () => {
  test('to make tables and schemas in an empty database', async () => {
    const url = await emptyDatabase()
    const { role, url: theirs } = await urlOfRole(url)
    expect(await refusalOf(theirs)).toMatch(/grant usage, create on schema "public" to "role_\w+"\.$/)
    await onServer(url, `grant usage, create on schema public to ${role}`)
    expect(await refusalOf(theirs)).toMatch(/grant create on database to "role_\w+"\.$/)
    await onServer(url, `grant create on database ${nameOf(url)} to ${role}`)
    expect(await migrateDatabase({ url: theirs, log })).not.toEqual([])
  })

  test('of a role that owns nothing, inherits nothing, or becomes the owner at the connect', async () => {
    const { url } = await freshDatabase()
    const owner = await urlOfRole(url)
    const guest = await urlOfRole(url)
    await giveTables(url, owner.role)
    await onServer(url, `grant all on all tables in schema public to ${guest.role}`)
    expect(await refusalOf(guest.url)).toMatch(/belong to "role_\w+", and partitions are made .*: grant "role_/)
    await onServer(server, `grant ${owner.role} to ${guest.role} with inherit false`)
    expect(await refusalOf(guest.url)).toMatch(/does not inherit: alter role "role_\w+" set role = "role_\w+"\.$/)
    await onServer(server, `alter role ${guest.role} set role = ${owner.role}`)
    expect(await migrateDatabase({ url: guest.url, log })).toEqual([])
    await onServer(server, `alter role ${guest.role} reset role`)
    await onServer(server, `grant ${owner.role} to ${guest.role} with inherit true`)
    expect(await migrateDatabase({ url: guest.url, log })).toEqual([])
    await onServer(url, `revoke update on deliveries from ${owner.role}, ${guest.role}`)
    expect(await refusalOf(owner.url)).toMatch(/may not read and write deliveries: grant select, insert/)
  })

  test('where row security would hide rows', async () => {
    const { url } = await freshDatabase()
    const { role, url: theirs } = await urlOfRole(url)
    await giveTables(url, role)
    await onServer(url, 'alter table endpoints enable row level security')
    expect(await migrateDatabase({ url: theirs, log })).toEqual([])
    await onServer(url, 'alter table endpoints force row level security')
    expect(await refusalOf(theirs)).toMatch(/row security hides rows of endpoints: alter table/)
  })
})

describe('tables of gateways in several schemas', () => {
  test('are refused unless the role or database says which is meant', async () => {
    const url = await emptyDatabase()
    await onServer(url, 'create schema one')
    await onServer(url, 'create schema two')
    for (const schema of ['one', 'two'])
      await onServer(url, `create table ${schema}.source_events (); create table ${schema}.source_event_bodies ()`)
    expect(await refusalOf(url)).toMatch(/several schemas \(one, two\): say which is meant/)
    await onServer(url, `alter database ${nameOf(url)} set search_path = two`)
    const pool = openPool(url, { max: 1 })
    expect((await pool.query('select current_schema() as schema')).rows).toEqual([{ schema: 'two' }])
    await pool.end()
  })
})
