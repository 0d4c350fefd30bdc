import { expect, inject, test } from 'vitest'
import { cutConnections, isDatabaseAway, newSession } from '../src/db.ts'
import { startWire } from '../torture/wire.ts'
import { afterwards } from './support/afterwards.ts'
import { freshDatabase } from './support/database.ts'

const server = new URL(inject('postgresUrl'))
const { db, url } = await freshDatabase()
const { port: own } = server
/** The URL of the test's database with these hosts in it. */
const urlOf = (...hosts: string[]) => url.replace(/@[^/]+/, `@${hosts.join(',')}`)
const portOf = async (to: string) => {
  const session = newSession(to)
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
  await db.query('select 1')
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
