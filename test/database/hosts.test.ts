import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, inject, test } from 'vitest'
import { createSession, cutConnections, isDatabaseAway, openPool } from '../../src/database/db.ts'
import { startWire } from '../../torture/wire.ts'
import { afterwards } from '../support/afterwards.ts'
import { freshDatabase, onServer } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

const server = new URL(inject('postgresUrl'))
const { db, url } = await freshDatabase()
const { port: own } = server
/** The URL of the test's database with these hosts in it. */
const urlOf = (...hosts: string[]) => url.replace(/@[^/]+/, `@${hosts.join(',')}`)
const portOf = async (to: string) => {
  const session = createSession(to)
  session.on('error', () => {})
  await session.connect()
  const { rows } = await session.query('select 1 as one')
  await session.end()
  return { one: rows[0].one, port: String(session.port) }
}

test.each([
  ['one host', urlOf(`127.0.0.1:${own}`)],
  ['a host that refuses before it', urlOf('127.0.0.1:1', `127.0.0.1:${own}`)],
  ['one that refuses behind it', urlOf(`127.0.0.1:${own}`, '127.0.0.1:1')],
  ['an IPv6 address before it', urlOf('[::1]:1', `127.0.0.1:${own}`)],
  ['parameters', `${urlOf('127.0.0.1:1', `127.0.0.1:${own}`)}?target_session_attrs=read-write`],
])('a URL with %s leads to the server that takes writes', async (_, to) => {
  expect(await portOf(to)).toEqual({ one: 1, port: own })
})

test.each([[':'], ['/'], ['?'], ['#'], ['@'], ['%'], [' '], [';'], ['&'], ['='], ['+'], ['é 🦊'], ['"']])(
  'user, password and database with %s in them are those that the URL names, with one host and with several',
  async (sign) => {
    const name = `a${sign}${Math.random().toString(36).slice(2)}`
    const quoted = `"${name.replaceAll('"', '""')}"`
    await onServer(server.href, `create role ${quoted} login password '${name}'`)
    await onServer(server.href, `create database ${quoted} owner ${quoted}`)
    afterwards(async () => {
      await onServer(server.href, `drop database ${quoted}`)
      await onServer(server.href, `drop role ${quoted}`)
    })
    const encoded = encodeURIComponent(name)
    for (const hosts of [`127.0.0.1:${own}`, `127.0.0.1:1,127.0.0.1:${own}`]) {
      const session = createSession(`postgres://${encoded}:${encoded}@${hosts}/${encoded}`)
      await session.connect()
      const { rows } = await session.query('select current_user as role, current_database() as database')
      await session.end()
      expect(rows).toEqual([{ role: name, database: name }])
    }
  },
)

test('a host that takes connections and says nothing is passed over', async () => {
  const silent = await startWire(Number(own))
  afterwards(silent.stop)
  silent.stall()
  expect(await portOf(urlOf(`127.0.0.1:${silent.port}`, `127.0.0.1:${own}`))).toEqual({ one: 1, port: own })
})

test('when no host takes writes, each is named with its reason, and no password', async () => {
  const error = await portOf(urlOf('127.0.0.1:1', '127.0.0.1:2')).catch((error) => error)
  expect(error.message).toMatch(/^no host takes writes \(127\.0\.0\.1:1: .*ECONNREFUSED.*; 127\.0\.0\.1:2: .*\)$/)
  expect(error.message).not.toContain(server.password)
  expect(isDatabaseAway(error)).toBe(true)
})

test('connections that are cut fail what waits on them at once, as a database that is away; the pool goes on', async () => {
  const waiting = db.query('select pg_sleep(60)').catch((error) => error)
  const sleeps = `select from pg_stat_activity where query like 'select pg_sleep(60)%' and datname = current_database()`
  await eventually(async () => (await db.query(sleeps)).rowCount === 1)
  cutConnections(db)
  expect(isDatabaseAway(await waiting)).toBe(true)
  expect((await db.query('select 1 as one')).rows).toEqual([{ one: 1 }])
})

test.each([
  [{ code: '57P03' }, true],
  [{ code: '53100' }, true],
  [{ code: '25006' }, true],
  [new Error('Connection terminated unexpectedly'), true],
  [new Error('timeout expired'), true],
  [{ code: '23505' }, false],
  [{ code: '42P01' }, false],
  [new TypeError('x is not a function'), false],
  [undefined, false],
])('%o means that the database is away: %s', (error, away) => {
  expect(isDatabaseAway(error)).toBe(away)
})

test('a server that ends the session in the same breath as it opens it fails the statement, not the process', async () => {
  const message = (type: string, body: Buffer) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(body.length + 4)
    return Buffer.concat([Buffer.from(type), length, body])
  }
  // AuthenticationOk, ReadyForQuery, and "terminating connection due to administrator command".
  const ready = [message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))]
  const fatal = message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0'))
  const ending = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(Buffer.concat([...ready, fatal])))
  })
  await once(ending.listen(0, '127.0.0.1'), 'listening')
  afterwards(async () => ending.close())
  const { port } = ending.address() as AddressInfo
  for (const hosts of [[`127.0.0.1:${port}`], [`127.0.0.1:${port}`, '127.0.0.1:1']]) {
    const pool = openPool(urlOf(...hosts))
    const error = await pool.query('select 1').catch((error) => error)
    expect(error).toSatisfy(isDatabaseAway)
    await pool.end()
  }
})
