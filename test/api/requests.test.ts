import { gzipSync } from 'node:zlib'
import supertest from 'supertest'
import { describe, expect, test } from 'vitest'
import { rateLimiter } from '../../src/api/http/rate-limit.ts'
import type { Json } from '../../src/domain/json.ts'
import { ADMIN_KEY, apiOn, ring, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'

const { db } = await freshDatabase()
const api = apiOn(db)
const { ours, theirs } = await twoClients(api)
const raw = (path = '/v1/clients') => supertest(api.app).post(path).set('authorization', `Bearer ${ADMIN_KEY}`)

describe('a body', () => {
  test.each([
    ['malformed JSON', 400, 'malformed_json', () => raw().type('json').send('{"name":')],
    ['another type', 415, 'unsupported_media_type', () => raw().type('text/plain').send('{"name":"A"}')],
    ['a form', 415, 'unsupported_media_type', () => raw().type('form').send('name=A')],
    ['no type', 415, 'unsupported_media_type', () => raw().set('content-type', '').send('{"name":"A"}')],
    ['another charset', 415, 'unsupported_media_type', () => raw().type('application/json; charset=x').send('{}')],
    [
      'an unknown encoding',
      415,
      'unsupported_media_type',
      () => raw().type('json').set('content-encoding', 'x').send('{}'),
    ],
    [
      'too many bytes',
      413,
      'too_large',
      () =>
        raw()
          .type('json')
          .send(JSON.stringify({ name: 'x'.repeat(300_000) })),
    ],
    ['no object', 422, 'invalid', () => raw().type('json').send('[]')],
    ['null', 422, 'invalid', () => raw().type('json').send('null')],
    ['nothing', 422, 'invalid', () => raw()],
    [
      'deep nesting',
      422,
      'invalid',
      () =>
        raw()
          .type('json')
          .send(`{"name":${'['.repeat(1e5)}${']'.repeat(1e5)}}`),
    ],
    ['unknown keys', 422, 'invalid', () => raw().type('json').send('{"name":"A","colour":"red","__proto__":1}')],
    ['a NUL', 422, 'invalid', () => raw().type('json').send('{"name":"a\\u0000"}')],
    ['half a surrogate pair', 422, 'invalid', () => raw().type('json').send('{"name":"\\ud800"}')],
  ])('of %s is refused with %i %s', async (_, status, code, send) => {
    const { status: given, body } = await send()
    expect([given, body.error.code]).toEqual([status, code])
    expect(JSON.stringify(body)).not.toMatch(/\.ts|node_modules|at /)
  })

  test.each(['gzip', 'br', 'deflate', 'zstd', 'gzip, identity'])(
    'that is encoded as %s is not decoded',
    async (encoding) => {
      const { status, body } = await raw()
        .type('json')
        .set('content-encoding', encoding)
        .serialize((bytes) => bytes)
        .send(gzipSync('{"name":"A"}') as Json)
      expect([status, body.error.code]).toEqual([415, 'unsupported_media_type'])
    },
  )

  test('may say that it is not encoded', async () => {
    expect((await raw().type('json').set('content-encoding', 'identity').send('{"name":"A"}')).status).toBe(201)
  })

  test('with several things wrong lists them all, each with its path', async () => {
    const { body } = await ours.full.post('/v1/endpoints', { url: 1, retrySchedule: ['a'], colour: 'red' })
    expect(body.error.details).toEqual(
      expect.arrayContaining([
        { path: 'url', code: 'invalid_type', message: expect.any(String) },
        { path: 'retrySchedule.0', code: 'invalid_type', message: expect.any(String) },
        { path: 'colour', code: 'unknown_key', message: expect.any(String) },
      ]),
    )
    const missing = await ours.full.post('/v1/endpoints', {})
    expect(missing.body.error.details).toEqual([{ path: 'url', code: 'required', message: 'is required' }])
  })
})

describe('a request', () => {
  test('carries its id in the reply, its own where that is sound', async () => {
    const given = await ours.full.get('/v1/endpoints', undefined, { 'x-request-id': 'abc-1' })
    expect(given.headers['x-request-id']).toBe('abc-1')
    const refused = await ours.full.get('/v1/nothing', undefined, { 'x-request-id': '<script>' })
    expect(refused.headers['x-request-id']).not.toContain('<')
    expect(refused.body.error).toMatchObject({
      code: 'route_not_found',
      requestId: refused.headers['x-request-id'],
      details: [],
    })
  })

  test('with a URL that cannot be decoded is 400', async () => {
    expect((await ours.full.get('/v1/users/%ff')).body.error.code).toBe('malformed_request')
  })

  test('over the rate is 429 and told how long to wait, for this key alone', async () => {
    const clock = { ms: 0 }
    const limited = apiOn(db, { now: () => new Date(clock.ms) })
    const key = (await api.admin.post('/v1/api-keys', { clientId: ours.clientId, scopes: ['read'] })).body.data.key
    const get = () => limited.as(key).get('/v1/event-types/invoice.paid')
    const statuses = new Set<number>()
    for (let sent = 0; sent < 500; sent++) statuses.add((await get()).status)
    expect([...statuses]).toEqual([200])
    const { status, body, headers } = await get()
    expect([status, body.error.code, headers['retry-after']]).toEqual([429, 'rate_limited', '1'])
    expect((await limited.admin.get('/v1/clients')).status).toBe(200)
    clock.ms += 20
    expect((await get()).status).toBe(200)
    expect((await get()).status).toBe(429)
  })

  test('spends a bucket that fills with 50 a second up to 500', () => {
    const clock = { ms: 0 }
    const wait = rateLimiter(() => new Date(clock.ms))
    const spend = () => {
      let count = 0
      while (wait('key') === 0) count += 1
      return count
    }
    expect(spend()).toBe(500)
    clock.ms = 1000
    expect(spend()).toBe(50)
    clock.ms = 3_600_000
    expect(spend()).toBe(500)
    clock.ms = 0 // A clock set back earns nothing and breaks nothing.
    expect(spend()).toBe(0)
  })
})

describe('an Idempotency-Key', () => {
  const clientsNamed = async (name: string) =>
    (await db.query('select count(*)::int as n from clients where name = $1', [name])).rows[0].n
  const post = (key: string, name: string, as = api.admin) =>
    as.post('/v1/clients', { name }, { 'idempotency-key': key })

  test('gives the same reply to the same request, and does it once', async () => {
    const first = await post('k1', 'Once')
    const again = await post('k1', 'Once')
    expect(again.text).toBe(first.text)
    expect(again.status).toBe(201)
    expect([first.headers['idempotency-replayed'], again.headers['idempotency-replayed']]).toEqual([undefined, 'true'])
    expect(await clientsNamed('Once')).toBe(1)
  })

  test('used for another request is 422', async () => {
    await post('k2', 'A')
    expect((await post('k2', 'B')).body.error.code).toBe('idempotency_mismatch')
    const elsewhere = await api.admin.post('/v1/api-keys', { scopes: ['admin'] }, { 'idempotency-key': 'k2' })
    expect(elsewhere.body.error.code).toBe('idempotency_mismatch')
  })

  test('belongs to one API key', async () => {
    const endpoint = { url: 'https://example.com/' }
    const mine = await ours.full.post('/v1/endpoints', endpoint, { 'idempotency-key': 'k3' })
    const other = await theirs.full.post('/v1/endpoints', endpoint, { 'idempotency-key': 'k3' })
    expect(other.body.data.id).not.toBe(mine.body.data.id)
    expect(other.body.data.clientId).toBe(theirs.clientId)
  })

  test('keeps the reply, secret and all, encrypted', async () => {
    const send = () => ours.full.post('/v1/endpoints', { url: 'https://example.com/' }, { 'idempotency-key': 'k4' })
    const { secret } = (await send()).body.data
    expect((await send()).body.data.secret).toBe(secret)
    const { rows } = await db.query(`select reply from idempotency_keys where key = 'k4'`)
    expect(rows[0].reply).not.toContain(secret)
    expect(ring.decrypt(rows[0].reply)).toContain(secret)
  })

  test('is 409 while the first request runs, and free again when that one dies', async () => {
    const held = await db.connect()
    await held.query('begin; lock table clients in exclusive mode')
    const first = post('k5', 'Slow')
    const running = () =>
      db.query(
        `select from pg_locks where locktype = 'advisory' and classid <> 0 and granted
          and database = (select oid from pg_database where datname = current_database())`,
      )
    await eventually(async () => ((await running()).rowCount ?? 0) > 0)
    const second = await post('k5', 'Slow')
    expect([second.status, second.body.error.code, second.headers['retry-after']]).toEqual([
      409,
      'idempotency_running',
      '1',
    ])
    // Of this database alone: other test files share the server.
    const waiting = await eventually(async () => {
      const { rows } = await db.query(
        `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return rows[0]
    })
    // 503, which no schema allows: the process might as well have died. Expected first: it may come before the next line runs.
    const failed = expect(first).rejects.toThrow()
    await db.query('select pg_terminate_backend($1)', [waiting.pid])
    await failed
    await held.query('rollback')
    held.release()
    expect((await post('k5', 'Slow')).status).toBe(201)
    expect(await clientsNamed('Slow')).toBe(1)
  })

  test('of many requests at once lets one through', async () => {
    const replies = await Promise.all(Array.from({ length: 8 }, () => post('k6', 'Crowd')))
    for (const { status } of replies) expect([201, 409]).toContain(status)
    expect(await clientsNamed('Crowd')).toBe(1)
  })

  test('of a request that was refused stays free', async () => {
    const send = (url: string) => ours.full.post('/v1/endpoints', { url }, { 'idempotency-key': 'k7' })
    expect((await send('https://127.0.0.1.invalid:99999/')).status).toBe(422)
    expect((await send('https://example.com/')).status).toBe(201)
  })

  test('is forgotten after 24 hours, and so is the reply', async () => {
    await post('k8', 'Old')
    await db.query(`update idempotency_keys set created_at = now() - interval '24 hours 1 second'`)
    expect((await post('k8', 'New')).status).toBe(201)
    const { rows } = await db.query('select key from idempotency_keys')
    expect(rows).toEqual([{ key: 'k8' }])
  })

  test.each(['x'.repeat(256), 'a b'])('"%s" is refused', async (key) => {
    const { status, body } = await post(key, 'Bad')
    expect([status, body.error.details[0].path]).toEqual([422, 'Idempotency-Key'])
  })
})

test('a database that is away is 503, and no stack is shown', async () => {
  const away = apiOn({
    query: () => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNREFUSED' })),
  } as Json)
  const { status, body } = await supertest(away.app)
    .get('/v1/endpoints')
    .set('authorization', 'Bearer flo_sk_01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11_x')
  expect([status, body.error.code]).toEqual([503, 'unavailable'])
  expect(JSON.stringify(body)).not.toContain('gone')
})
