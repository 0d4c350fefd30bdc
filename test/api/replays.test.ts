import { describe, expect, test } from 'vitest'
import { newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { apiOn, newDelivery, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { environment, startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { newDeliveryIn, newEvents } from '../support/replaying.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const { db } = await freshDatabase()
const woken: string[] = []
const api = apiOn(db)
api.deps.wakes.replay = (clientId) => woken.push(clientId)
const { ours, theirs } = await twoClients(api)

const newEndpoint = async (body: object = {}) =>
  (await ours.full.post('/v1/endpoints', { url: 'https://example.com/replayed', contract: 'flo.v1', ...body })).body
    .data.id as string
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString()
const pathsOf = ({ body }: { body: Json }) => body.error.details.map(({ path }: { path: string }) => path)

describe('POST /v1/replays', () => {
  test('answers 202 with the row, which GET and the list show as well, and wakes the room', async () => {
    const endpointId = await newEndpoint()
    const since = ago(3600)
    const { status, body } = await ours.full.post('/v1/replays', {
      endpointId,
      mode: 'failed',
      since,
      eventTypes: ['invoice.*'],
    })
    expect(status).toBe(202)
    expect(body.data).toEqual({
      id: expect.any(String),
      clientId: ours.clientId,
      endpointId,
      mode: 'failed',
      since,
      until: null,
      eventTypes: ['invoice.*'],
      state: 'running',
      found: null,
      replayed: 0,
      skipped: 0,
      expired: 0,
      progress: 0,
      reason: null,
      createdAt: expect.any(String),
      finishedAt: null,
      deliveries: {},
    })
    expect(woken).toEqual([ours.clientId])
    expect((await ours.reader.get(`/v1/replays/${body.data.id}`)).body.data).toEqual(body.data)
    const { deliveries: _, ...row } = body.data
    expect((await ours.reader.get(`/v1/replays?endpointId=${endpointId}&state=running`)).body.data).toEqual([row])
    expect((await ours.reader.get(`/v1/replays?endpointId=${endpointId}&state=done`)).body.data).toEqual([])
  })

  test('with dryRun answers 200 with the count and a sample, and stores and wakes nothing', async () => {
    const endpointId = await newEndpoint({ eventTypes: ['invoice.*'] })
    const events = await newEvents(db, ours.clientId, { count: 12, eventType: 'invoice.paid' })
    await newDeliveryIn(db, { clientId: ours.clientId, eventId: present(events[0]), endpointId }, 'delivered')
    const before = woken.length
    const { status, body } = await ours.full.post('/v1/replays', { endpointId, mode: 'missing', dryRun: true })
    expect([status, woken.length]).toEqual([200, before])
    expect(body.data).toMatchObject({
      dryRun: true,
      clientId: ours.clientId,
      endpointId,
      mode: 'missing',
      since: null,
      until: null,
      eventTypes: null,
      count: 11,
      byType: { 'invoice.paid': 11 },
      countedUntil: null,
    })
    expect(body.data.sample.map(({ eventId }: { eventId: string }) => eventId)).toEqual(events.slice(1, 11))
    expect((await ours.full.get(`/v1/replays?endpointId=${endpointId}`)).body.data).toEqual([])
  })

  test('is done once for an Idempotency-Key', async () => {
    const body = { endpointId: await newEndpoint(), mode: 'all' }
    const headers = { 'idempotency-key': newId() }
    const first = await ours.full.post('/v1/replays', body, headers)
    const again = await ours.full.post('/v1/replays', body, headers)
    expect([first.status, again.status]).toEqual([202, 202])
    expect(again.body.data.id).toBe(first.body.data.id)
  })

  test('is refused while another one to the endpoint runs, of two at once too, but a dry run is not', async () => {
    const body = { endpointId: await newEndpoint(), mode: 'all' }
    const replies = await Promise.all([ours.full.post('/v1/replays', body), ours.full.post('/v1/replays', body)])
    expect(replies.map(({ status }) => status).sort()).toEqual([202, 409])
    const refused = present(replies.find(({ status }) => status === 409)).body.error
    const id = present(replies.find(({ status }) => status === 202)).body.data.id
    expect(refused).toMatchObject({
      code: 'replay_running',
      details: [{ path: 'endpointId', message: `is replayed by ${id}` }],
    })
    expect((await ours.full.post('/v1/replays', { ...body, dryRun: true })).status).toBe(200)
    await ours.full.post(`/v1/replays/${id}/cancel`)
    expect((await ours.full.post('/v1/replays', body)).status).toBe(202)
  })

  test('is refused for a disabled endpoint, which a dry run may look at, and for a deleted one', async () => {
    const body = { endpointId: await newEndpoint(), mode: 'failed' }
    await ours.full.post(`/v1/endpoints/${body.endpointId}/disable`)
    const { status, body: reply } = await ours.full.post('/v1/replays', body)
    expect([status, reply.error.code]).toEqual([409, 'endpoint_disabled'])
    expect((await ours.full.post('/v1/replays', { ...body, dryRun: true })).status).toBe(200)
    await ours.full.delete(`/v1/endpoints/${body.endpointId}`)
    for (const dryRun of [true, false])
      expect((await ours.full.post('/v1/replays', { ...body, dryRun })).body.error.code).toBe('not_found')
  })

  test.each([
    [{ since: ago(-60) }, 'since'],
    [{ since: ago(60), until: ago(120) }, 'since'],
    [{ since: 'yesterday' }, 'since'],
    [{ until: 5 }, 'until'],
    [{ mode: 'some' }, 'mode'],
    [{ mode: undefined }, 'mode'],
    [{ eventTypes: [] }, 'eventTypes'],
    [{ eventTypes: ['invoice.paid', 'invoice.lost'] }, 'eventTypes.1'],
    [{ dryRun: 'yes' }, 'dryRun'],
    [{ events: [] }, 'events'],
  ])('is refused with the path for %j', async (wrong, path) => {
    const body = { endpointId: ours.endpointId, mode: 'all', ...wrong }
    for (const dryRun of [true, false]) {
      const reply = await ours.full.post('/v1/replays', { dryRun, ...body })
      expect([reply.status, pathsOf(reply)]).toEqual([422, [path]])
    }
  })
})

test('what belongs to another client is not found, whatever is asked', async () => {
  const { body } = await theirs.full.post('/v1/replays', { endpointId: theirs.endpointId, mode: 'all' })
  const { id } = body.data
  for (const endpointId of [theirs.endpointId, newId(), 'nonsense']) {
    expect((await ours.full.post('/v1/replays', { endpointId, mode: 'all' })).status).toBe(404)
    expect((await ours.full.get(`/v1/replays?endpointId=${endpointId}`)).status).toBe(404)
  }
  for (const wrong of [id, newId()]) {
    expect((await ours.full.get(`/v1/replays/${wrong}`)).status).toBe(404)
    expect((await ours.full.post(`/v1/replays/${wrong}/cancel`)).status).toBe(404)
    expect((await ours.full.get(`/v1/deliveries?replayId=${wrong}`)).status).toBe(404)
  }
  expect((await theirs.full.get(`/v1/replays/${id}`)).body.data.state).toBe('running')
  expect((await ours.full.get('/v1/replays')).body.data.map((one: Json) => one.clientId)).not.toContain(theirs.clientId)
})

test('reading needs the scope read, replaying and cancelling write', async () => {
  const body = { endpointId: await newEndpoint(), mode: 'all' }
  expect((await ours.reader.post('/v1/replays', { ...body, dryRun: true })).status).toBe(403)
  const { id } = (await ours.writer.post('/v1/replays', body)).body.data
  expect((await ours.reader.post(`/v1/replays/${id}/cancel`)).status).toBe(403)
  expect((await ours.writer.get(`/v1/replays/${id}`)).status).toBe(403)
  expect((await api.admin.post('/v1/replays', { ...body, clientId: theirs.clientId })).status).toBe(404)
  expect((await ours.writer.post(`/v1/replays/${id}/cancel`)).body.data).toMatchObject({
    state: 'cancelled',
    finishedAt: expect.any(String),
  })
})

test('the list goes across clients for an operator, newest first, page by page', async () => {
  const ids: string[] = []
  for (let cursor = ''; ; ) {
    const { body } = await api.admin.get(`/v1/replays?limit=2${cursor}`)
    ids.push(...body.data.map((one: { id: string }) => one.id))
    if (body.meta.nextCursor === null) break
    cursor = `&cursor=${encodeURIComponent(body.meta.nextCursor)}`
  }
  expect(ids).toEqual(ids.toSorted().reverse())
  expect(ids.length).toBe((await db.query('select from replays')).rowCount)
})

test('a delivery tells what made it', async () => {
  const { eventId, deliveryId } = await newDelivery(db, ours.clientId, ours.endpointId)
  const { body } = await ours.full.post('/v1/replays', { endpointId: ours.endpointId, mode: 'all' })
  const replayId = body.data.id
  const replayed = await newDeliveryIn(
    db,
    { clientId: ours.clientId, eventId, endpointId: ours.endpointId },
    'delivered',
    { origin: replayId },
  )
  const listed = (await ours.full.get(`/v1/deliveries?replayId=${replayId}`)).body.data
  expect(listed).toMatchObject([{ id: replayed, origin: 'replay', replayId }])
  expect((await ours.full.get(`/v1/deliveries/${deliveryId}`)).body.data).toMatchObject({
    origin: 'fanout',
    replayId: null,
  })
  expect((await ours.full.get(`/v1/replays/${replayId}`)).body.data.deliveries).toEqual({ delivered: 1 })
})

describe('over a running gateway', async () => {
  const gateway = await startTestGateway({ FLO_ROLES: 'receive,api' })
  await startTestGateway({ ...environment(gateway.databaseUrl), FLO_ROLES: 'work', LOG_LEVEL: 'error' })

  test('what an endpoint missed while it was off, and before it existed, is sent and explained', async () => {
    const first = await startReceiver()
    const way = await layWay(gateway.api, first.url)
    const post = async () => expect((await way.post(gateway.url, subscriptionCreated())).status).toBe(200)
    await post()
    await eventually(() => first.requests.length === 1)
    await gateway.api('POST', `/v1/endpoints/${way.endpointId}/disable`)
    await post()
    await eventually(async () => (await way.deliveries()).some(({ state }) => state === 'skipped'))
    await gateway.api('POST', `/v1/endpoints/${way.endpointId}/enable`)
    const second = await startReceiver()
    const { clientId } = way
    const made = await gateway.api('POST', '/v1/endpoints', { clientId, url: second.url, contract: 'flo.v1' })
    const replay = async (endpointId: string, mode: string) => {
      const { status, body } = await gateway.api('POST', '/v1/replays', { clientId, endpointId, mode })
      expect(status, JSON.stringify(body)).toBe(202)
      const read = async () => (await gateway.api('GET', `/v1/replays/${body.data.id}`)).body.data
      await eventually(async () => (await read()).state === 'done')
      return eventually(async () => {
        const now = await read()
        return (now.deliveries.delivered ?? 0) === now.replayed && now
      })
    }
    expect(await replay(way.endpointId, 'failed')).toMatchObject({ found: 1, replayed: 1, skipped: 0, progress: 1 })
    expect(await replay(way.endpointId, 'failed')).toMatchObject({ found: 0, replayed: 0 })
    expect(await replay(made.body.data.id, 'missing')).toMatchObject({ found: 2, replayed: 2 })
    expect(await replay(made.body.data.id, 'missing')).toMatchObject({ found: 0 })
    expect(await replay(made.body.data.id, 'all')).toMatchObject({ found: 2, replayed: 2 })
    expect([first.requests.length, second.requests.length]).toEqual([2, 4])
    // Each delivery has an id of its own.
    const ids = [...first.requests, ...second.requests].map(({ body }) => JSON.parse(body).eventId)
    expect(new Set(ids).size).toBe(6)

    const { body } = await gateway.api('GET', `/v1/source-events?clientId=${clientId}`)
    const explained = await gateway.api('GET', `/v1/source-events/${body.data[0].id}/explain`)
    const origins = explained.body.data.events[0].deliveries.map(({ origin }: { origin: string }) => origin)
    expect(origins).toEqual(['fanout', 'replay', 'replay', 'replay'])
  })
})
