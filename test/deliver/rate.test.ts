import { expect, test } from 'vitest'
import { endpointsOf, gatewayOnClock, handedClock } from '../support/endpoint-life.ts'
import { eventually } from '../support/eventually.ts'
import { type Received, startReceiver } from '../support/receiver.ts'

const clock = handedClock({ stopped: true })
const gateway = await gatewayOnClock(clock)
const { newEndpoint, deliveries, become } = await endpointsOf(gateway)
const idsOf = (requests: Received[]) => requests.map(({ headers }) => headers['webhook-id'])

/** An endpoint that takes 5 an hour, 20 deliveries, 5 of which have arrived. */
async function limited() {
  const receiver = await startReceiver()
  const endpoint = await newEndpoint(receiver.url, { rateLimit: { count: 5, seconds: 3600 } })
  const ids = await endpoint.send(20)
  await eventually(() => receiver.requests.length === 5)
  return { receiver, endpoint, ids }
}

test('over its rate limit an endpoint gets nothing, and no attempt is used up; what waits says so', async () => {
  const { receiver, ids } = await limited()
  await become('delivered', ids.slice(0, 5))
  const waiting = await deliveries(ids.slice(5))
  for (const one of waiting)
    expect(one).toMatchObject({
      state: 'pending',
      attempts: 0,
      waitsFor: { for: 'turn', message: expect.stringContaining('5 in 3600 s') },
    })
  expect(receiver.requests).toHaveLength(5)
})

test('the next go out, in their order, when the first have been so many seconds ago', async () => {
  const { receiver, endpoint, ids } = await limited()
  for (const arrived of [10, 15, 20]) {
    clock.forward({ seconds: 3599 })
    ids.push(await endpoint.test())
    expect(receiver.requests).toHaveLength(arrived - 5)
    clock.forward({ seconds: 2 })
    ids.push(await endpoint.test())
    await eventually(() => receiver.requests.length === arrived)
  }
  expect(idsOf(receiver.requests)).toEqual(ids.slice(0, 20))
})

test('in no second more than the limit start, however many wait', async () => {
  const running = await gatewayOnClock()
  const there = await endpointsOf(running)
  const receiver = await startReceiver()
  const endpoint = await there.newEndpoint(receiver.url, { rateLimit: { count: 4, seconds: 1 } })
  const before = Date.now()
  const ids = await endpoint.send(14)
  await there.become('delivered', ids)
  const { rows } = await running.db.query<{ at: number }>(
    'select extract(epoch from started_at)::float8 * 1000 as at from attempts where delivery_id = any($1) order by 1',
    [ids],
  )
  expect(rows).toHaveLength(14)
  // Each four need a second of their own, and an attempt starts no earlier than it was counted. A slow machine is only later.
  for (const [number, { at }] of rows.entries())
    expect(at - before).toBeGreaterThanOrEqual(1000 * Math.floor(number / 4) - 1)
})

test('it holds from the next attempt on: set, changed and taken away', async () => {
  const { receiver, endpoint, ids } = await limited()
  await endpoint.change({ rateLimit: { count: 8, seconds: 3600 } })
  await eventually(() => receiver.requests.length === 8)
  await become('delivered', ids.slice(0, 8))
  expect(await deliveries(ids.slice(8, 9))).toMatchObject([{ state: 'pending', attempts: 0 }])
  await endpoint.change({ rateLimit: null })
  await become('delivered', ids)
  await endpoint.change({ rateLimit: { count: 2, seconds: 3600 } })
  const more = await endpoint.send(5)
  await eventually(() => receiver.requests.length === 22)
  await become('delivered', more.slice(0, 2))
  expect((await deliveries(more.slice(2))).map(({ attempts }) => attempts)).toEqual([0, 0, 0])
})

test('it holds across processes: the next one knows what the last one has sent', async () => {
  const first = await gatewayOnClock(clock)
  const receiver = await startReceiver()
  const there = await endpointsOf(first)
  const endpoint = await there.newEndpoint(receiver.url, { rateLimit: { count: 5, seconds: 3600 } })
  const ids = await endpoint.send(12)
  await there.become('delivered', ids.slice(0, 5))
  await first.stop()
  const second = await gatewayOnClock(clock, { DATABASE_URL: first.databaseUrl })
  const wake = () => second.api('POST', `/v1/endpoints/${endpoint.id}/test`, {})
  await wake()
  await eventually(async () => (await second.db.query('select from leases')).rowCount === 1)
  expect(receiver.requests).toHaveLength(5)
  clock.forward({ seconds: 3601 })
  await wake()
  await eventually(() => receiver.requests.length === 10)
  expect(idsOf(receiver.requests)).toEqual(ids.slice(0, 10))
})

test('no more than maxInFlight are under way at once, and a change holds from the next attempt on', async () => {
  const open: (() => void)[] = []
  const receiver = await startReceiver(async () => {
    await new Promise<void>((answer) => open.push(answer))
    return {}
  })
  const endpoint = await newEndpoint(receiver.url, { maxInFlight: 3, timeoutSeconds: 60 })
  const ids = await endpoint.send(30)
  await eventually(() => open.length === 3)
  const answered = () => {
    for (const answer of open.splice(0)) answer()
  }
  await endpoint.change({ maxInFlight: 1 })
  answered()
  await eventually(() => receiver.requests.length === 4)
  await become('delivered', ids.slice(0, 3))
  expect(open).toHaveLength(1)
  await endpoint.change({ maxInFlight: 7 })
  answered()
  await eventually(() => open.length === 7)
  receiver.behave({})
  answered()
  await become('delivered', ids)
  expect(receiver.requests).toHaveLength(30)
})

test('limits are checked, shown, and have defaults', async () => {
  const { shown, change, id } = await newEndpoint('https://example.com/hook')
  expect(await shown()).toMatchObject({ maxInFlight: 10, rateLimit: null })
  await change({ maxInFlight: 256, rateLimit: { count: 1000, seconds: 60 } })
  expect(await shown()).toMatchObject({ maxInFlight: 256, rateLimit: { count: 1000, seconds: 60 } })
  for (const [fields, path] of [
    [{ maxInFlight: 0 }, 'maxInFlight'],
    [{ maxInFlight: 257 }, 'maxInFlight'],
    [{ maxInFlight: 2.5 }, 'maxInFlight'],
    [{ rateLimit: 5 }, 'rateLimit'],
    [{ rateLimit: { count: 5 } }, 'rateLimit.seconds'],
    [{ rateLimit: { count: 0, seconds: 1 } }, 'rateLimit.count'],
    [{ rateLimit: { count: 1001, seconds: 1 } }, 'rateLimit.count'],
    [{ rateLimit: { count: 1, seconds: 0.5 } }, 'rateLimit.seconds'],
    [{ rateLimit: { count: 1, seconds: 3601 } }, 'rateLimit.seconds'],
  ] as const) {
    const { status, body } = await gateway.api('PATCH', `/v1/endpoints/${id}`, fields)
    expect([status, body.error.details[0].path], JSON.stringify(fields)).toEqual([422, path])
  }
})
