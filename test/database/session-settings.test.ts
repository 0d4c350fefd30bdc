import { randomBytes } from 'node:crypto'
import { describe, expect, inject, test } from 'vitest'
import { createSession, openPool } from '../../src/database/db.ts'
import { migrateDatabase } from '../../src/database/migrate.ts'
import { SESSION_SETTINGS } from '../../src/database/session-settings.ts'
import { newLog } from '../../src/log.ts'
import { afterwards } from '../support/afterwards.ts'
import { emptyDatabase, freshDatabase, onServer } from '../support/database.ts'
import { LEFT_SETTINGS, ODD_SETTINGS } from '../support/odd-settings.ts'

const server = inject('postgresUrl')

/** A role that may connect, dropped after the file; `url` leads to the database as this role. */
async function createRole(url: string, attributes = ''): Promise<{ role: string; url: string }> {
  const role = `role_${randomBytes(6).toString('hex')}`
  await onServer(server, `create role ${role} login password 'secret' ${attributes}`)
  afterwards(async () => {
    await onServer(url, `drop owned by ${role}`).catch(() => {})
    await onServer(server, `drop role ${role}`)
  })
  return { role, url: Object.assign(new URL(url), { username: role, password: 'secret' }).href }
}

const quote = (value: string) => `'${value.replaceAll("'", "''")}'`
const nameOf = (url: string) => new URL(url).pathname.slice(1)
const readSettings = (names: readonly string[]) =>
  `select json_object_agg(name, current_setting(name, true)) as settings from unnest(array[${names.map(quote)}]) name`

/** What a session says of the settings: one of a pool, and one on its own. */
async function settingsOf(url: string): Promise<Record<string, string>[]> {
  const text = readSettings(Object.keys(SESSION_SETTINGS))
  const pool = openPool(url, { max: 1 })
  const session = createSession(url)
  await session.connect()
  const rows = [...(await pool.query(text)).rows, ...(await session.query(text)).rows]
  await Promise.all([pool.end(), session.end()])
  return rows.map(({ settings }) => settings)
}

describe('settings that every session sets for itself', () => {
  test('are each tried with another value', () => {
    expect(Object.keys(ODD_SETTINGS).sort()).toEqual(Object.keys(SESSION_SETTINGS).sort())
  })

  test.each(['role', 'database'] as const)('hold whatever the %s carries', async (level) => {
    const url = await emptyDatabase()
    const owner = await createRole(url)
    const target = level === 'role' ? `role ${owner.role}` : `database ${nameOf(url)}`
    const session = `alter ${target} set `
    // What only a superuser may set has a test of its own.
    for (const [name, value] of Object.entries(ODD_SETTINGS))
      if (name !== 'session_replication_role') await onServer(server, `${session} ${name} = ${quote(value)}`)
    const plain = await onServer(
      owner.url,
      readSettings(['datestyle', 'lock_timeout', 'default_transaction_isolation']),
    )
    expect(plain.rows[0].settings).toEqual({
      datestyle: 'German, DMY',
      lock_timeout: '1234ms',
      default_transaction_isolation: 'serializable',
    })
    for (const settings of await settingsOf(owner.url)) expect(settings).toEqual(SESSION_SETTINGS)
  })

  test('are set by who may set them, and refused to a session that would go on without triggers', async () => {
    const url = await emptyDatabase()
    const [admin, plain] = [await createRole(url, 'superuser'), await createRole(url)]
    for (const { role } of [admin, plain])
      await onServer(server, `alter role ${role} set session_replication_role = replica`)
    for (const settings of await settingsOf(admin.url)) expect(settings.session_replication_role).toBe('origin')
    await expect(openPool(plain.url).query('select 1')).rejects.toMatchObject({ code: '42501' })
  })

  test('hold for a role whose time limit is shorter than it takes to set them', async () => {
    const { role, url } = await createRole(server)
    await onServer(server, `alter role ${role} set statement_timeout = '1ms'`)
    for (let tries = 0; tries < 10; tries += 1) {
      const session = createSession(url)
      await session.connect()
      const { rows } = await session.query(`select current_setting('statement_timeout') as limit, pg_sleep(0.01)`)
      await session.end()
      expect(rows[0].limit).toBe('0')
    }
  })

  test('leave a setting of the session itself as it was asked for', async () => {
    const { url } = await freshDatabase()
    const pool = openPool(url, { max: 1, settings: { statement_timeout: '4s', application_name: "it's" } })
    afterwards(() => pool.end())
    const { rows } = await pool.query(readSettings(['statement_timeout', 'application_name', 'lock_timeout']))
    expect(rows[0].settings).toEqual({ statement_timeout: '4s', application_name: "it's", lock_timeout: '0' })
  })

  test.each([
    ['off', 'on'],
    ['local', 'local'],
    ['remote_apply', 'remote_apply'],
  ])('raise synchronous_commit = %s to %s: an answered webhook is on disk', async (carried, expected) => {
    const url = await emptyDatabase()
    await onServer(server, `alter database ${nameOf(url)} set synchronous_commit = ${carried}`)
    const pool = openPool(url, { max: 1 })
    expect((await pool.query('show synchronous_commit')).rows).toEqual([{ synchronous_commit: expected }])
    await pool.end()
  })

  test('and those that change no result are all that PostgreSQL has for a role', async () => {
    const { db } = await freshDatabase()
    const { rows } = await db.query(
      `select name from pg_settings where context in ('user', 'superuser', 'backend', 'superuser-backend')
          and name not like '%.%' order by name`,
    )
    const decided = new Set(
      [
        ...Object.keys(SESSION_SETTINGS),
        ...LEFT_SETTINGS.map(([name]) => name),
        'search_path',
        'synchronous_commit',
      ].map((name) => name.toLowerCase()),
    )
    expect(rows.map(({ name }) => name).filter((name) => !decided.has(name.toLowerCase()))).toEqual([])
  })
})

describe("the schema of a gateway's tables", () => {
  const log = newLog('silent')
  const schemasOf = async (url: string) =>
    (
      await onServer(
        url,
        `select distinct schemaname as name from pg_tables where tablename in ('source_events', 'migrations', 'leases') and schemaname <> 'graphile_worker' order by 1`,
      )
    ).rows.map(({ name }) => name)

  test.each([
    ['nothing', 'reset search_path', ['public']],
    ['no schema', `set search_path = ''`, ['public']],
    ['schemas that do not exist', 'set search_path = nowhere, "Else where"', ['public']],
    ['the catalog', 'set search_path = pg_catalog, public', ['public']],
    ['a schema of its own', 'set search_path = "Flo gateway", public', ['Flo gateway']],
  ])('is the one that the database carries, or public: %s', async (_, setting, expected) => {
    const url = await emptyDatabase()
    await onServer(url, 'create schema "Flo gateway"')
    await onServer(url, `alter database ${nameOf(url)} ${setting}`)
    await migrateDatabase({ url, log })
    expect(await schemasOf(url)).toEqual(expected)
    expect(await migrateDatabase({ url, log })).toEqual([])
  })

  test('stays where the tables are when the database or role carries another one later', async () => {
    const url = await emptyDatabase()
    await migrateDatabase({ url, log })
    await onServer(url, 'create schema other')
    await onServer(url, `alter database ${nameOf(url)} set search_path = other`)
    expect(await migrateDatabase({ url, log })).toEqual([])
    expect(await schemasOf(url)).toEqual(['public'])
    const pool = openPool(url, { max: 1 })
    expect((await pool.query('select count(*) from clients')).rows).toEqual([{ count: 0 }])
    await pool.end()
  })
})
