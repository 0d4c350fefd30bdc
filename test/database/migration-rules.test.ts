import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createSession } from '../../src/database/db.ts'
import { migrateDatabase } from '../../src/database/migrate.ts'
import { compareVersions } from '../../src/database/schema-compatibility.ts'
import { createStatementwiseClient } from '../../src/database/statementwise-client.ts'
import { newLog } from '../../src/log.ts'
import { version } from '../../src/version.ts'
import { runCommand } from '../support/command.ts'
import { freshDatabase, onServer } from '../support/database.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { findUnsafeStatements, readHead } from '../support/migration-rules.ts'

// docs/migrations.md: each migration runs beside the version before it.

const sql = new URL('../../sql/', import.meta.url)
const log = newLog('silent')
const readMigration = (name: string) => readFileSync(new URL(name, sql), 'utf8')
/** Those since the rules. */
const migrations = readdirSync(sql).filter((name) => /^\d{6}_/.test(name) && name > '000020')
const lastRelease = readLastRelease()

/** The newest version of the changelog that has a date. */
function readLastRelease(): string {
  const changelog = readFileSync(new URL('../../CHANGELOG.md', import.meta.url), 'utf8')
  const [, release] = /^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$/m.exec(changelog) ?? []
  if (release === undefined) throw new Error('CHANGELOG.md names no release with a date')
  return release
}

describe('every migration since 000020', () => {
  test.each(migrations)('%s locks nobody out, and leaves what the version before reads', (name) => {
    expect(findUnsafeStatements(readMigration(name), lastRelease)).toEqual([])
  })

  test('writes down the oldest compatible program as its first line says', async () => {
    const { db } = await freshDatabase()
    const { rows } = await db.query<{ migration: string; oldest: string }>(
      'select migration, oldest_program as oldest from schema_compatibility order by migration',
    )
    expect(rows.slice(1)).toEqual(
      migrations.map((name) => ({
        migration: name.replace(/\.sql$/, ''),
        oldest: readHead(readMigration(name))?.oldestProgram,
      })),
    )
    expect(rows[0]).toEqual({ migration: '000019_one_index_for_event_ids', oldest: '0.1.0' })
  })
})

const judge = (statements: string, more = '') =>
  findUnsafeStatements(`-- Oldest compatible program: 0.1.0\n${more}${statements}`, '0.1.0').join('; ')

test.each([
  'alter table endpoints add column note text',
  `alter table endpoints add column note text not null default '', add column at timestamptz default now()`,
  'alter table endpoints add constraint short check (length(url) < 99) not valid',
  'alter table endpoints validate constraint short',
  'create index events_made on only events (client_id, occurred_at)',
  'alter index events_made attach partition events_20260101_made',
  'alter table endpoints alter column url drop not null',
  'alter table endpoints alter column status set default $$enabled$$',
  'create table notes (id uuid primary key, n int check (n > 0)); create index on notes (n); insert into notes select $1, 2',
  `insert into retention (what) values ('more')`,
  `comment on table endpoints is 'what clients receive'`,
  'create or replace function f() returns int language sql as $$ select 1 $$',
])('allowed: %s', (statements) => {
  expect(judge(statements)).toBe('')
})

test.each([
  ['has no default', 'alter table endpoints add column note text not null'],
  ['rewrites the table', 'alter table endpoints add column id2 uuid default gen_random_uuid()'],
  ['CONSTR_CHECK of endpoints.n', 'alter table endpoints add column n int check (n > 0)'],
  ['CONSTR_IDENTITY', 'alter table endpoints add column n int generated always as identity'],
  ['AT_AlterColumnType of endpoints.url', 'alter table endpoints alter column url type varchar(9)'],
  ['AT_SetNotNull of endpoints.description', 'alter table endpoints alter column description set not null'],
  ['add it not valid', 'alter table endpoints add constraint short check (length(url) < 99)'],
  ['add it not valid, or using an index', 'alter table endpoints add constraint once unique (url)'],
  [
    'validate it in the next migration',
    'alter table endpoints add constraint a check (true) not valid; alter table endpoints validate constraint a',
  ],
  ['create it concurrently', 'create index on deliveries (client_id, created_at)'],
  ['say "-- Unread since', 'alter table endpoints drop column description'],
  ['say "-- Unread since', 'drop table purges'],
  ['say "-- Unread since', 'drop index deliveries_due'],
  ['reads the old name', 'alter table endpoints rename column url to address'],
  ['reads the old name', 'alter table endpoints rename to targets'],
  ['the default of endpoints.status is dropped', 'alter table endpoints alter column status drop default'],
  ['in batches', 'insert into emissions select client_id, contract, key, id from events'],
  ['UpdateStmt', `update deliveries set reason = 'x'`],
  ['DeleteStmt', 'delete from deliveries'],
  ['LockStmt', 'lock table deliveries'],
  ['TruncateStmt', 'truncate deliveries'],
  ['a do block', 'do $$ begin update deliveries set reason = null; end $$'],
  ['trigger t on sources', 'create trigger t before update on sources for each row execute function f()'],
  ['make it by itself, then attach it', 'create table events_x partition of events default'],
])('refused, %s: %s', (why, statements) => {
  expect(judge(statements)).toContain(why)
})

test('outside a transaction indexes are made concurrently, and rows are changed in batches', () => {
  const head = '-- Without a transaction: an index takes its time\n'
  expect(judge('create index concurrently if not exists a on alarms (client_id)', head)).toBe('')
  expect(judge('do $$ begin loop update alarms set type = type; commit; end loop; end $$', head)).toBe('')
})

test('what is dropped was unread by the oldest compatible program, and the last release is compatible', () => {
  const drop = (oldest: string, unread: string, release: string) =>
    findUnsafeStatements(
      `-- Oldest compatible program: ${oldest}\n-- Unread since: ${unread}\nalter table endpoints drop column description`,
      release,
    ).join()
  expect(drop('0.2.0', '0.2.0', '0.2.0')).toBe('')
  expect(drop('0.1.0', '0.2.0', '0.2.0')).toContain('is read by 0.1.0')
  expect(drop('0.3.0', '0.2.0', '0.2.0')).toContain('it cannot need 0.3.0')
  expect(findUnsafeStatements('create table a (b int)', '0.1.0').join()).toContain('the first line')
})

describe('a program that is older than the schema allows', () => {
  const newer = async () => {
    const { url } = await freshDatabase()
    await onServer(
      url,
      `insert into schema_compatibility (migration, oldest_program) values ('000099_later', '9.10.0')`,
    )
    return url
  }
  const message = `This is flo-gateway ${version}, and the database needs 9.10.0 or newer (migration 000099_later): start that version instead.`

  test('does not start, and says which version does', async () => {
    await expect(startTestGateway({ DATABASE_URL: await newer() })).rejects.toThrow(message)
  })

  test('migrates nothing either', async () => {
    const { code, stderr } = await runCommand('migrate', await temporaryFolder(), environment(await newer()))
    expect({ code, stderr: stderr.trim() }).toEqual({ code: 2, stderr: message })
  })

  test('is told apart by numbers, and a version that is new enough goes on', async () => {
    const url = await newer()
    await expect(migrateDatabase({ url, log, program: '9.9.9' })).rejects.toThrow('needs 9.10.0')
    expect(await migrateDatabase({ url, log, program: '9.10.0' })).toEqual([])
    expect(await migrateDatabase({ url, log, program: '10.0.0-beta.1' })).toEqual([])
    expect(compareVersions('1.2.3', '1.2.3')).toBe(0)
  })
})

describe('a migration under way', () => {
  test('waits for a lock for less than a second, so that who writes hardly waits behind it', async () => {
    const { url, db } = await freshDatabase()
    const session = createSession(url)
    await session.connect()
    const writer = await db.connect()
    await writer.query('begin; lock table alarms in row exclusive mode')
    const client = createStatementwiseClient(session)
    await client.query('BEGIN;')
    await expect(client.query('alter table alarms add column note text')).rejects.toMatchObject({ code: '55P03' })
    await writer.query('rollback')
    writer.release()
    await session.end()
  })

  test('has no transaction around it where it asks for none', async () => {
    const { url } = await freshDatabase()
    const session = createSession(url)
    await session.connect()
    const client = createStatementwiseClient(session)
    await client.query('BEGIN;')
    await client.query(
      '-- Without a transaction: an index\ncreate index concurrently alarms_seen on alarms (client_id, seen_at);',
    )
    await client.query('COMMIT;')
    const { rows } = await session.query(`select indisvalid from pg_index where indexrelid = 'alarms_seen'::regclass`)
    expect(rows).toEqual([{ indisvalid: true }])
    await session.end()
  })
})
