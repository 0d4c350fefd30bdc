import { describe, expect, test } from 'vitest'
import { newId, OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { apiOn, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'

const { db } = await freshDatabase()
const woken: string[] = []
const quiet = () => {}
const wakes = { normalize: quiet, deliver: quiet, hydrate: quiet, backfill: quiet, replay: quiet, erase: quiet }
const api = apiOn(db, { wakes: { ...wakes, route: (clientId) => woken.push(clientId) } })
const { ours, theirs } = await twoClients(api)

const detailsOf = ({ status, body }: { status: number; body: Json }) => [status, body.error?.details[0]?.path]
const newSource = async (routing: object = { by: 'account' }): Promise<string> =>
  (await api.admin.post('/v1/sources', { signingSecrets: ['whsec_1'], routing })).body.data.id
const newsOf = async (sourceId: string): Promise<string[]> =>
  (await db.query('select key from routing_news where source_id = $1 order by key', [sourceId])).rows.map(
    ({ key }) => key,
  )
const sourceId = await newSource()
const routes = `/v1/sources/${sourceId}/routes`

describe('a source that routes its events', () => {
  test.each([
    [{ by: 'account' }, { by: ['account'], key: null }],
    [{ by: 'metadata' }, { by: ['metadata'], key: 'flo_client' }],
    [
      { by: ['metadata', 'account'], key: 'tenant' },
      { by: ['account', 'metadata'], key: 'tenant' },
    ],
    [{ by: ['metadata', 'metadata'] }, { by: ['metadata'], key: 'flo_client' }],
  ])('with %j belongs to no client', async (given, shown) => {
    const { status, body } = await api.admin.post('/v1/sources', { signingSecrets: ['whsec_1'], routing: given })
    expect(status).toBe(201)
    expect(body.data).toMatchObject({ clientId: null, routing: shown })
    expect((await api.admin.get(`/v1/sources/${body.data.id}`)).body.data).toEqual(body.data)
  })

  test.each([
    [{ by: [] }],
    [{ by: 'customer' }],
    [{ by: ['account', 'metadata', 'account'] }],
    [{ by: 'account', key: 'tenant' }],
    [{ by: 'metadata', key: '' }],
    [{ by: 'metadata', key: 'a[b]' }],
    [{ by: 'metadata', key: 'x'.repeat(41) }],
    [{ key: 'tenant' }],
    [{ by: 'account', to: 'all' }],
    ['account'],
    [null],
  ])('is refused with %j, by the field', async (given) => {
    const reply = await api.admin.post('/v1/sources', { signingSecrets: ['whsec_1'], routing: given })
    expect([reply.status, reply.body.error.details[0].path]).toEqual([422, expect.stringMatching(/^routing/)])
    const patched = await api.admin.patch(`/v1/sources/${sourceId}`, { routing: given })
    expect(patched.status).toBe(422)
  })

  test('has no client beside it, and a source without routing has one', async () => {
    const source = { signingSecrets: ['whsec_1'], routing: { by: 'account' } }
    expect(detailsOf(await api.admin.post('/v1/sources', { ...source, clientId: ours.clientId }))).toEqual([
      422,
      'clientId',
    ])
    expect(detailsOf(await api.admin.post('/v1/sources', { signingSecrets: ['whsec_1'] }))).toEqual([422, 'clientId'])
  })

  test('is for operators alone, and says so', async () => {
    const reply = await ours.full.post('/v1/sources', { signingSecrets: ['whsec_1'], routing: { by: 'account' } })
    expect(detailsOf(reply)).toEqual([403, 'routing'])
    expect((await ours.full.post('/v1/sources', { signingSecrets: ['whsec_1'] })).body.data.routing).toBeNull()
  })

  test('changes how it routes, and looks at what waits again', async () => {
    const id = await newSource()
    await db.query(
      `insert into routings (client_id, source_id, account, livemode, event_id, source_event_id, state, target_id, due_at)
       values ($1, $2, '', false, 'evt_1', $3, 'unrouted', null, null), ($1, $2, '', false, 'evt_2', $4, 'routed', $5, null)`,
      [OPERATOR_CLIENT, id, newId(), newId(), ours.clientId],
    )
    const dueOf = async () =>
      (await db.query('select event_id from routings where source_id = $1 and due_at <= now()', [id])).rows
    const renamed = await api.admin.patch(`/v1/sources/${id}`, { name: 'Platform' })
    expect(renamed.body.data).toMatchObject({ name: 'Platform', routing: { by: ['account'], key: null } })
    expect(await dueOf()).toEqual([])
    woken.length = 0
    const { body } = await api.admin.patch(`/v1/sources/${id}`, { routing: { by: 'metadata', key: 'tenant' } })
    expect(body.data).toMatchObject({ clientId: null, routing: { by: ['metadata'], key: 'tenant' } })
    expect(await dueOf()).toEqual([{ event_id: 'evt_1' }])
    expect(woken).toEqual([OPERATOR_CLIENT])
  })

  test('is not made of the source of a client', async () => {
    const reply = await api.admin.patch(`/v1/sources/${ours.sourceId}`, { routing: { by: 'account' } })
    expect(detailsOf(reply)).toEqual([409, 'routing'])
    expect(detailsOf(await ours.full.patch(`/v1/sources/${ours.sourceId}`, { routing: { by: 'account' } }))).toEqual([
      409,
      'routing',
    ])
    expect(
      detailsOf(await api.admin.put(`/v1/sources/${ours.sourceId}/routes/a`, { clientId: ours.clientId })),
    ).toEqual([409, 'id'])
    expect((await api.admin.get(`/v1/sources/${ours.sourceId}/routes`)).status).toBe(409)
  })

  test('is seen by operators and by no client, in lists, by its id and by its client', async () => {
    const seen = async (as: typeof api.admin, query = '') =>
      (await as.get(`/v1/sources?limit=250${query}`)).body.data.map(({ id }: Json) => id)
    expect(await seen(api.admin)).toEqual(expect.arrayContaining([sourceId, ours.sourceId]))
    expect(await seen(ours.full)).toContain(ours.sourceId)
    expect(await seen(ours.full)).not.toContain(sourceId)
    expect(await seen(api.admin, `&clientId=${ours.clientId}`)).not.toContain(sourceId)
    const asked = [
      ours.full.get(`/v1/sources/${sourceId}`),
      ours.full.patch(`/v1/sources/${sourceId}`, { name: 'x' }),
      ours.full.patch(`/v1/sources/${sourceId}`, { routing: { by: 'metadata' } }),
      ours.full.delete(`/v1/sources/${sourceId}`),
      ours.full.get(`/v1/source-events?sourceId=${sourceId}`),
      ours.full.get(`/v1/sources?clientId=${OPERATOR_CLIENT}`),
      ours.full.get(`/v1/source-events?clientId=${OPERATOR_CLIENT}`),
      ours.full.post('/v1/backfills', { sourceId, since: new Date() }),
      ours.full.post('/v1/mappings/dry-run', { sourceId, event: { type: 'invoice.paid' } }),
      ours.full.post('/v1/source-events/renormalize', { sourceId, state: 'failed' }),
    ]
    for (const reply of await Promise.all(asked)) expect(reply.status).toBe(404)
  })
})

test('a backfill and the deletion of such a source are nobody’s, and no client sees them', async () => {
  const source = { signingSecrets: ['whsec_1'], routing: { by: 'account' }, apiKey: 'rk_test_1' }
  const { id } = (await api.admin.post('/v1/sources', source)).body.data
  const asked = { sourceId: id, since: new Date(Date.now() - 3_600_000).toISOString() }
  const backfill = (await api.admin.post('/v1/backfills', asked)).body.data
  expect(backfill).toMatchObject({ clientId: null, sourceId: id })
  expect((await api.admin.get(`/v1/backfills/${backfill.id}`)).body.data).toEqual(backfill)
  expect((await api.admin.get('/v1/backfills')).body.data).toContainEqual(backfill)
  expect((await ours.full.get(`/v1/backfills/${backfill.id}`)).status).toBe(404)
  expect((await ours.full.post(`/v1/backfills/${backfill.id}/cancel`)).status).toBe(404)
  const { status, body } = await api.admin.delete(`/v1/sources/${id}`)
  expect([status, body.data]).toMatchObject([202, { clientId: null, kind: 'source', subjectId: id }])
  expect((await api.admin.get(`/v1/deletions?subjectId=${id}`)).body.data).toEqual([body.data])
  expect((await ours.full.get(`/v1/deletions?subjectId=${id}`)).body.data).toEqual([])
  expect((await api.admin.get(`/v1/sources/${id}/routes`)).status).toBe(404)
})

describe('a route', () => {
  const put = (value: string, clientId: string, as = api.admin) =>
    as.put(`${routes}/${encodeURIComponent(value)}`, { clientId })

  test('is put, put again and put elsewhere, and what waits for its name is looked at', async () => {
    woken.length = 0
    const { status, body } = await put('acct_1', ours.clientId)
    expect([status, body.data]).toMatchObject([200, { sourceId, value: 'acct_1', clientId: ours.clientId }])
    expect(await newsOf(sourceId)).toContain('name:acct_1')
    expect(woken).toEqual([OPERATOR_CLIENT])
    expect((await put('acct_1', ours.clientId.toUpperCase())).body.data).toEqual(body.data)
    const moved = (await put('acct_1', theirs.clientId)).body.data
    expect(moved).toMatchObject({ clientId: theirs.clientId, createdAt: body.data.createdAt })
    expect((await api.admin.get(`${routes}/acct_1`)).body.data).toEqual(moved)
    await api.admin.delete(`${routes}/acct_1`)
  })

  test('may be of any name that metadata can hold, whatever its letters', async () => {
    for (const value of ['a/b', 'ü ☃', '%', '..%2f', ' ', 'x'.repeat(500)]) {
      expect((await put(value, ours.clientId)).body.data.value).toBe(value)
      expect((await api.admin.delete(`${routes}/${encodeURIComponent(value)}`)).status).toBe(204)
    }
    expect(detailsOf(await put('x'.repeat(501), ours.clientId))).toEqual([422, 'value'])
    expect((await put('a\0b', ours.clientId)).status).toBe(422)
  })

  test('leads to a client that is there', async () => {
    const { id } = (await api.admin.post('/v1/clients', { name: 'Gone' })).body.data
    expect((await put('acct_gone', id)).status).toBe(200)
    expect((await api.admin.delete(`/v1/clients/${id}`)).status).toBe(202)
    for (const clientId of [id, newId(), 'nonsense'])
      expect(detailsOf(await put('acct_2', clientId)), clientId).toEqual([404, 'clientId'])
    expect(detailsOf(await put('acct_2', OPERATOR_CLIENT))).toEqual([422, 'clientId'])
    expect(detailsOf(await api.admin.put(`${routes}/acct_2`, {}))).toEqual([422, 'clientId'])
    expect((await api.admin.put(`/v1/sources/${newId()}/routes/acct_2`, { clientId: ours.clientId })).status).toBe(404)
  })

  test('is one, however often it is put at once', async () => {
    const replies = await Promise.all(Array.from({ length: 6 }, () => put('acct_often', ours.clientId)))
    expect(new Set(replies.map(({ status, body }) => `${status} ${JSON.stringify(body)}`)).size).toBe(1)
    await api.admin.delete(`${routes}/acct_often`)
  })

  test('is deleted once', async () => {
    await put('acct_3', ours.clientId)
    expect((await api.admin.delete(`${routes}/acct_3`)).status).toBe(204)
    expect(detailsOf(await api.admin.delete(`${routes}/acct_3`))).toEqual([404, 'value'])
    expect(detailsOf(await api.admin.get(`${routes}/acct_3`))).toEqual([404, 'value'])
  })

  test('is listed page by page, both ways, and by its client', async () => {
    const id = await newSource({ by: 'metadata' })
    const values = Array.from({ length: 7 }, (_, at) => `tenant_${at}`)
    for (const [at, value] of values.entries())
      await api.admin.put(`/v1/sources/${id}/routes/${value}`, { clientId: (at % 2 ? ours : theirs).clientId })
    const walk = async (query: string) => {
      const found: string[] = []
      for (let cursor: string | null = ''; cursor !== null; ) {
        const at: string = cursor && `&cursor=${encodeURIComponent(cursor)}`
        const { body }: Json = await api.admin.get(`/v1/sources/${id}/routes?limit=3${query}${at}`)
        found.push(...body.data.map(({ value }: Json) => value))
        cursor = body.meta.nextCursor
      }
      return found
    }
    expect(await walk('&order=asc')).toEqual(values)
    expect(await walk('')).toEqual(values.toReversed())
    expect(await walk(`&order=asc&clientId=${ours.clientId}`)).toEqual(['tenant_1', 'tenant_3', 'tenant_5'])
    expect(await walk(`&clientId=${newId()}`)).toEqual([])
    expect(await walk('&clientId=nonsense')).toEqual([])
    const { nextCursor } = (await api.admin.get(`/v1/sources/${id}/routes?limit=1`)).body.meta
    const elsewhere = await api.admin.get(`${routes}?limit=1&cursor=${encodeURIComponent(nextCursor)}`)
    expect(elsewhere.body.error.code).toBe('cursor_invalid')
  })

  test('is for operators alone: to a client it is not there', async () => {
    await put('acct_4', ours.clientId)
    for (const as of [ours.full, ours.reader, ours.writer, theirs.full]) {
      const asked = [
        put('acct_4', ours.clientId, as),
        as.get(routes),
        as.get(`${routes}?clientId=${ours.clientId}`),
        as.get(`${routes}/acct_4`),
        as.delete(`${routes}/acct_4`),
      ]
      for (const { status } of await Promise.all(asked)) expect(status).toBe(404)
    }
    // Of a source of its own a client learns that routes are not for it.
    expect((await ours.full.get(`/v1/sources/${ours.sourceId}/routes`)).status).toBe(403)
  })
})

describe('the external id of a client', () => {
  const create = (externalId: unknown) => api.admin.post('/v1/clients', { name: 'Tenant', externalId })

  test('is given, changed, taken away, and finds the client', async () => {
    const { body } = await create('tenant_1')
    const { id } = body.data
    expect(body.data.externalId).toBe('tenant_1')
    expect((await api.admin.patch(`/v1/clients/${id}`, { name: 'T' })).body.data.externalId).toBe('tenant_1')
    expect((await api.admin.patch(`/v1/clients/${id}`, { externalId: 'tenant 1b' })).body.data.externalId).toBe(
      'tenant 1b',
    )
    const found = (await api.admin.get('/v1/clients?externalId=tenant+1b')).body.data
    expect(found.map((one: Json) => one.id)).toEqual([id])
    expect((await api.admin.get('/v1/clients?externalId=tenant_1')).body.data).toEqual([])
    expect((await api.admin.patch(`/v1/clients/${id}`, { externalId: null })).body.data.externalId).toBeNull()
  })

  test('is unique, at whatever moment it is asked for, and is nobody’s id', async () => {
    const replies = await Promise.all(Array.from({ length: 5 }, () => create('tenant_2')))
    expect(replies.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409])
    expect(detailsOf(await create('tenant_2'))).toEqual([409, 'externalId'])
    expect(detailsOf(await api.admin.patch(`/v1/clients/${ours.clientId}`, { externalId: 'tenant_2' }))).toEqual([
      409,
      'externalId',
    ])
    expect(detailsOf(await create(theirs.clientId))).toEqual([409, 'externalId'])
    const same = { externalId: ours.clientId }
    expect((await api.admin.patch(`/v1/clients/${ours.clientId}`, same)).status).toBe(200)
    expect((await api.admin.patch(`/v1/clients/${ours.clientId}`, same)).status).toBe(200)
    await api.admin.patch(`/v1/clients/${ours.clientId}`, { externalId: null })
    expect((await create(newId())).status).toBe(201)
  })

  test.each([[''], [' a'], ['a '], ['a\nb'], ['\u200b'], ['x'.repeat(501)], [7]])('is not %j', async (externalId) => {
    expect(detailsOf(await create(externalId))).toEqual([422, 'externalId'])
    expect((await api.admin.patch(`/v1/clients/${ours.clientId}`, { externalId })).status).toBe(422)
  })

  test('makes what waits for it be looked at, at every source that routes', async () => {
    const [one, other] = [await newSource(), await newSource()]
    woken.length = 0
    const { id } = (await create('tenant_3')).body.data
    for (const source of [one, other]) expect(await newsOf(source)).toEqual(['name:tenant_3'])
    expect(woken).toEqual([OPERATOR_CLIENT])
    await api.admin.patch(`/v1/clients/${id}`, { externalId: 'tenant_4' })
    expect(await newsOf(one)).toEqual(['name:tenant_3', 'name:tenant_4'])
    expect((await api.admin.post('/v1/clients', { name: 'Nameless' })).status).toBe(201)
  })
})

test('the operator’s own client is nobody’s to list, to change, to delete or to give anything', async () => {
  const list = (await api.admin.get('/v1/clients?limit=250')).body.data.map(({ id }: Json) => id)
  expect(list).not.toContain(OPERATOR_CLIENT)
  const clientId = OPERATOR_CLIENT
  const asked = [
    api.admin.get(`/v1/clients/${clientId}`),
    api.admin.patch(`/v1/clients/${clientId}`, { name: 'x' }),
    api.admin.delete(`/v1/clients/${clientId}`),
    api.admin.post('/v1/api-keys', { clientId, scopes: ['read'] }),
    api.admin.post('/v1/endpoints', { clientId, url: 'https://example.com/hook', contract: 'flo.v1' }),
    api.admin.post('/v1/sources', { clientId, signingSecrets: ['whsec_1'] }),
    api.admin.put('/v1/users/u', { clientId }),
  ]
  for (const { status } of await Promise.all(asked)) expect(status).toBe(404)
  expect((await api.admin.get(`/v1/source-events?clientId=${clientId}`)).status).toBe(200)
})
