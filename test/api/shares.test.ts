import { createHash } from 'node:crypto'
import supertest from 'supertest'
import { describe, expect, test } from 'vitest'
import { authenticateCaller } from '../../src/api/http/caller.ts'
import { createKeptReplies } from '../../src/api/http/kept-replies.ts'
import { openPool } from '../../src/database/db.ts'
import { bearerToken } from '../../src/network/bearer.ts'
import { afterwards } from '../support/afterwards.ts'
import { ADMIN_KEY, apiOn, newKey, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { present } from '../support/present.ts'

const { db, url } = await freshDatabase()
const api = apiOn(db, { limits: { slots: 4, statementSeconds: 30 } })
const { ours, theirs } = await twoClients(api)

/** Holds every statement that reads deliveries until it is let go. */
async function lockDeliveries() {
  const session = await db.connect()
  await session.query('begin; lock table deliveries in access exclusive mode')
  let isHeld = true
  const letGo = async () => {
    if (!isHeld) return
    isHeld = false
    await session.query('commit')
    session.release()
  }
  afterwards(letGo)
  return letGo
}

const waitingStatements = async () =>
  Number(
    (
      await db.query(
        `select count(*) as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      )
    ).rows[0].n,
  )

test('a client that asks for much has half of the slots, and waits for itself', async () => {
  const letGo = await lockDeliveries()
  const flood = Array.from({ length: 20 }, () => ours.reader.get(`/v1/endpoints/${ours.endpointId}/stats`))
  await eventually(async () => (await waitingStatements()) >= 2)
  // Other requests of others are answered meanwhile, and not one more of the flood has begun.
  for (let more = 0; more < 5; more++) expect((await theirs.full.get('/v1/endpoints')).status).toBe(200)
  expect(await waitingStatements()).toBe(2)
  await letGo()
  expect((await Promise.all(flood)).map(({ status }) => status)).toEqual(flood.map(() => 200))
})

test('what is beyond a share of waiting requests is refused at once, with the time to wait', async () => {
  const letGo = await lockDeliveries()
  const key = await newKey(api, ours.clientId)
  const ask = () =>
    supertest(api.app)
      .get(`/v1/endpoints/${ours.endpointId}/stats`)
      .set('authorization', `Bearer ${key}`)
      .then((reply) => reply)
  const flood = Array.from({ length: 80 }, ask)
  const refused = (await Promise.race([
    Promise.all(
      flood
        .map((one) =>
          one.then(({ status, body, headers }) =>
            status === 503 ? [body.error.code, headers['retry-after']] : new Promise<never>(() => {}),
          ),
        )
        .slice(70, 71),
    ),
    eventually(async () => (await waitingStatements()) > 2 && 'too many at once'),
  ])) as unknown
  expect(refused).toEqual([['overloaded', '1']])
  await letGo()
  const statuses = (await Promise.all(flood)).map(({ status }) => status)
  expect([...new Set(statuses)].toSorted()).toEqual([200, 503])
  expect(statuses.filter((status) => status === 200).length).toBe(66)
})

test('a request that takes the database too long is stopped, by its session and over many statements', async () => {
  const slow = openPool(url, { max: 2, settings: { statement_timeout: '300' } })
  afterwards(() => slow.end())
  const impatient = apiOn(slow, { limits: { slots: 2, statementSeconds: 0.3 }, intakeDb: db })
  const letGo = await lockDeliveries()
  const key = await newKey(api, ours.clientId)
  const { status, body, headers } = await supertest(impatient.app)
    .get(`/v1/endpoints/${ours.endpointId}/stats`)
    .set('authorization', `Bearer ${key}`)
  expect([status, body.error.code, headers['retry-after']]).toEqual([503, 'query_too_slow', '5'])
  expect(await waitingStatements()).toBe(0)
  await letGo()
})

describe('answers that are kept for Idempotency-Keys', () => {
  const rowsOf = async () =>
    (
      await db.query(
        `select coalesce(sum(pg_column_size(reply)), 0)::int as bytes, count(*)::int as rows from idempotency_keys`,
      )
    ).rows[0]

  test('are none of requests that only show something', async () => {
    const before = await rowsOf()
    const event = { id: 'evt_1', type: 'invoice.paid', data: { object: { id: 'in_1', object: 'invoice' } } }
    const send = (key: string, type = 'invoice.paid') =>
      ours.full.post(
        '/v1/mappings/dry-run',
        { sourceId: ours.sourceId, event: { ...event, type } },
        { 'idempotency-key': key },
      )
    for (let more = 0; more < 5; more++) expect((await send(`shown-${more}`)).status).toBe(200)
    const replay = { endpointId: ours.endpointId, mode: 'all', dryRun: true }
    expect((await ours.full.post('/v1/replays', replay, { 'idempotency-key': 'shown' })).status).toBe(200)
    const after = await rowsOf()
    expect([after.bytes - before.bytes, after.rows - before.rows]).toEqual([0, 6])
    // Again it is the same request, and another one is refused as ever.
    expect((await send('shown-0')).status).toBe(200)
    expect((await send('shown-0', 'invoice.voided')).body.error.code).toBe('idempotency_mismatch')
  })

  test('have a bound for each client, over all its keys', async () => {
    const kept = createKeptReplies(10_000)
    const [one, other] = await Promise.all([newKey(api, ours.clientId), newKey(api, ours.clientId)])
    const keyIds = [one, other].map((key) => present(/^flo_sk_([0-9a-f-]{36})_/.exec(key)?.[1]))
    const [first = '', second = ''] = keyIds
    await kept.assertRoom(db, first)
    kept.add(first, 9_000)
    await kept.assertRoom(db, first)
    kept.add(first, 1_000)
    await expect(kept.assertRoom(db, first)).rejects.toMatchObject({ code: 'idempotency_full', status: 429 })
    // Another process, or the next half minute, counts what is stored of all keys of the client, and of no other client's.
    await db.query(
      `insert into idempotency_keys (api_key_id, key, request_hash, status, reply)
       select $1, 'kept-' || n, '\\x00', 200, string_agg(md5(n::text || m::text), '') from generate_series(1, 20) n, generate_series(1, 40) m group by n`,
      [first],
    )
    await expect(createKeptReplies(10_000).assertRoom(db, second)).rejects.toMatchObject({ code: 'idempotency_full' })
    const foreign = present(/^flo_sk_([0-9a-f-]{36})_/.exec(await newKey(api, theirs.clientId))?.[1])
    await createKeptReplies(10_000).assertRoom(db, foreign)
  })
})

describe('a header as long as a head may be', () => {
  const SPACES = ' '.repeat(15_000)

  test('an Authorization is cut without looking twice at any of it', async () => {
    expect(bearerToken(`Bearer x${SPACES}y`)).toBe(`x${SPACES}y`)
    expect(bearerToken(`bEaReR ${SPACES}x${SPACES}`)).toBe('x')
    expect([bearerToken('Basic x'), bearerToken(undefined), bearerToken('Bearer')]).toEqual(['', '', ''])
    const loadKey = async () => ({
      clientId: null,
      scopes: ['read'] as const,
      secretHash: createHash('sha256').update('secret').digest(),
      requestsPerSecond: null,
    })
    const caller = await authenticateCaller({ loadKey, adminKey: ADMIN_KEY }, `Bearer   ${ADMIN_KEY}  `)
    expect(caller.keyId).toBe('FLO_ADMIN_KEY')
  })
})

test('a key above its rate is refused however often it asks, and served when its time has come', async () => {
  let clock = Date.now()
  const still = apiOn(db, { now: () => new Date(clock) })
  const key = await newKey(api, ours.clientId)
  const ask = () =>
    supertest(still.app)
      .get('/v1/event-types')
      .set('authorization', `Bearer ${key}`)
      .then(({ status }) => status)
  for (let sent = 0; sent < 500; sent += 50) await Promise.all(Array.from({ length: 50 }, ask))
  const refusals = await Promise.all(Array.from({ length: 30 }, ask))
  expect(new Set(refusals)).toEqual(new Set([429]))
  clock += 2_000
  expect(await ask()).toBe(200)
})
