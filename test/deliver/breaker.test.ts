import { describe, expect, test } from 'vitest'
import { endpointsOf, gatewayOnClock, handedClock } from '../support/endpoint-life.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'

const clock = handedClock({ stopped: true })
const gateway = await gatewayOnClock(clock)
const { newEndpoint, delivery, deliveries, become } = await endpointsOf(gateway)
const toldOf = (id: string) => gateway.told.filter(({ endpointId }) => endpointId === id).map(({ what }) => what)

/** An endpoint that fails, its breaker open by ten attempts of `count` deliveries. */
async function opened({ count = 30, fields = {} } = {}) {
  const receiver = await startReceiver({ status: 500 })
  const endpoint = await newEndpoint(receiver.url, { retrySchedule: [86_400], maxInFlight: 1, ...fields })
  const ids = await endpoint.send(count)
  await eventually(async () => (await endpoint.shown()).breaker.state === 'open')
  return { receiver, endpoint, ids }
}

test('ten attempts of which seven or more failed open it: what is due waits, without an attempt, and says why', async () => {
  const { receiver, endpoint, ids } = await opened()
  const { breaker, failingSince } = await endpoint.shown()
  expect(Date.parse(breaker.nextProbeAt) - Date.parse(breaker.openedAt)).toBe(30_000)
  expect(Date.parse(failingSince)).toBeLessThanOrEqual(Date.parse(breaker.openedAt))
  const later = await endpoint.test()
  expect(await delivery(later)).toMatchObject({
    state: 'pending',
    attempts: 0,
    waitsFor: { for: 'breaker', until: breaker.nextProbeAt },
  })
  const shown = await deliveries(ids)
  expect(shown.filter(({ attempts }) => attempts === 1)).toHaveLength(10)
  expect(shown.filter(({ attempts, waitsFor }) => attempts === 0 && waitsFor.for === 'breaker')).toHaveLength(20)
  expect(shown.filter(({ attempts, waitsFor }) => attempts === 1 && waitsFor.for === 'schedule')).toHaveLength(10)
  expect(receiver.requests).toHaveLength(10)
  expect(toldOf(endpoint.id)).toEqual(['failing'])
})

test('every 30 s one delivery tries; the first that gets through lets all go on', async () => {
  const { receiver, endpoint, ids } = await opened()
  for (let probe = 1; probe <= 3; probe += 1) {
    const before = (await endpoint.shown()).breaker
    clock.forward({ seconds: 29 })
    ids.push(await endpoint.test())
    clock.forward({ seconds: 2 })
    ids.push(await endpoint.test())
    await eventually(async () => (await endpoint.shown()).breaker.nextProbeAt > before.nextProbeAt)
    expect((await endpoint.shown()).breaker).toMatchObject({ state: 'open', openedAt: before.openedAt })
    expect(receiver.requests).toHaveLength(10 + probe)
  }
  receiver.behave({})
  clock.forward({ seconds: 31 })
  ids.push(await endpoint.test())
  const failed = (await deliveries(ids)).filter(({ attempts }) => attempts > 0).map(({ id }) => id)
  await become(
    'delivered',
    ids.filter((id) => !failed.includes(id)),
  )
  expect(await endpoint.shown()).toMatchObject({
    breaker: { state: 'closed', openedAt: null, nextProbeAt: null },
    failingSince: null,
  })
  expect(toldOf(endpoint.id)).toEqual(['failing', 'recovered'])
})

test('one delivery at a time tries, however long it takes', async () => {
  const { receiver, endpoint, ids } = await opened({ fields: { maxInFlight: 10 } })
  await eventually(async () => {
    const tried = (await deliveries(ids)).filter(({ attempts }) => attempts === 1)
    return tried.length === receiver.requests.length
  })
  const before = receiver.requests.length
  receiver.behave({ hang: 'headers' })
  clock.forward({ seconds: 31 })
  await endpoint.test()
  await eventually(() => receiver.requests.length === before + 1)
  clock.forward({ seconds: 31 })
  const last = await endpoint.test()
  await eventually(async () => (await delivery(last)).waitsFor.for === 'breaker')
  expect(receiver.requests).toHaveLength(before + 1)
  await receiver.stop()
})

describe('it stays closed', () => {
  test('when fewer than seven of ten fail', async () => {
    const receiver = await startReceiver((_, count) => ({ status: count % 10 < 4 ? 200 : 500 }))
    const endpoint = await newEndpoint(receiver.url, { retrySchedule: [86_400], maxInFlight: 1 })
    await endpoint.send(60)
    await eventually(() => receiver.requests.length === 60)
    expect(await endpoint.shown()).toMatchObject({ breaker: { state: 'closed' } })
    expect(toldOf(endpoint.id)).toEqual([])
  })

  test('when ten failures lie more than five minutes apart', async () => {
    const receiver = await startReceiver({ status: 500 })
    const endpoint = await newEndpoint(receiver.url, { retrySchedule: [] })
    for (let at = 0; at < 12; at += 1) {
      clock.forward({ seconds: 60 })
      await become('failed', [await endpoint.test()])
    }
    expect(receiver.requests).toHaveLength(12)
    expect((await endpoint.shown()).breaker.state).toBe('closed')
  })
})

test('it holds for another process, which knows when to try', async () => {
  const another = await gatewayOnClock(clock)
  const there = await endpointsOf(another)
  const receiver = await startReceiver({ status: 500 })
  const endpoint = await there.newEndpoint(receiver.url, { retrySchedule: [86_400], maxInFlight: 1 })
  const ids = await endpoint.send(30)
  await eventually(async () => (await endpoint.shown()).breaker.state === 'open')
  const { breaker } = await endpoint.shown()
  await another.stop()

  const next = await gatewayOnClock(clock, { DATABASE_URL: another.databaseUrl })
  const { body } = await next.api('POST', `/v1/endpoints/${endpoint.id}/test`, {})
  await eventually(async () => (await next.db.query('select from leases')).rowCount === 1)
  const shown = async () => (await next.api('GET', `/v1/endpoints/${endpoint.id}`)).body.data
  expect((await shown()).breaker).toEqual(breaker)
  expect(receiver.requests).toHaveLength(10)
  receiver.behave({})
  clock.forward({ seconds: 31 })
  const last = (await next.api('POST', `/v1/endpoints/${endpoint.id}/test`, {})).body.data.id
  await eventually(async () => (await shown()).breaker.state === 'closed')
  await eventually(() => receiver.requests.length === 10 + 20 + 2)
  const arrived = receiver.requests.slice(10).map(({ headers }) => headers['webhook-id'])
  expect(new Set(arrived).size).toBe(22)
  expect(arrived).toEqual(expect.arrayContaining([body.data.id, last]))
  expect(ids.filter((id) => arrived.includes(id))).toHaveLength(20)
})

describe('what failed before does not count', () => {
  test('under another URL: what waits goes there at once', async () => {
    const { endpoint, ids } = await opened()
    const waiting = (await deliveries(ids)).filter(({ attempts }) => attempts === 0).map(({ id }) => id)
    await endpoint.change({ url: (await startReceiver()).url })
    await become('delivered', waiting)
    expect((await endpoint.shown()).breaker.state).toBe('closed')
    // Whoever heard that it fails hears the end of it, once.
    await eventually(() => toldOf(endpoint.id).length === 2)
    expect(toldOf(endpoint.id)).toEqual(['failing', 'recovered'])
  })

  test('once the endpoint has been disabled and enabled again', async () => {
    const { receiver, endpoint } = await opened()
    await endpoint.post('disable')
    await endpoint.post('enable')
    expect(await endpoint.shown()).toMatchObject({ breaker: { state: 'closed' }, failingSince: null })
    receiver.behave({})
    await become('delivered', [await endpoint.test()])
  })

  test('but another description changes nothing', async () => {
    const { receiver, endpoint } = await opened()
    await endpoint.change({ description: 'Ours' })
    const later = await endpoint.test()
    expect((await endpoint.shown()).breaker.state).toBe('open')
    expect(await delivery(later)).toMatchObject({ waitsFor: { for: 'breaker' } })
    expect(receiver.requests).toHaveLength(10)
  })
})
