import { describe, expect, test } from 'vitest'
import { newDeliveries } from '../support/delivering.ts'
import { endpointsOf, gatewayOnClock, handedClock } from '../support/endpoint-life.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'

const clock = handedClock()
const gateway = await gatewayOnClock(clock)
const { db } = gateway
const { clientId, newEndpoint, delivery, deliveries, attempts, resend, become } = await endpointsOf(gateway)
const toldOf = (id: string) => gateway.told.filter(({ endpointId }) => endpointId === id)

/** An endpoint with one attempt for each delivery, all of which fail. */
async function failing(fields: object = {}) {
  const receiver = await startReceiver({ status: 500 })
  const endpoint = await newEndpoint(receiver.url, { retrySchedule: [], ...fields })
  const fails = async (times: number, apart: { hours: number }) => {
    for (let time = 0; time < times; time += 1) {
      clock.forward(apart)
      await become('failed', [await endpoint.test()])
    }
  }
  return { receiver, endpoint, fails }
}

describe('an endpoint that only fails', () => {
  test('is disabled after five days and twenty attempts, not before; what waits is skipped', async () => {
    const { endpoint, fails } = await failing()
    await fails(19, { hours: 7 })
    const { status, failingSince } = await endpoint.shown()
    expect(status).toBe('enabled')
    expect(clock.now().getTime() - Date.parse(failingSince)).toBeGreaterThan(5 * 86_400_000)
    const [later = ''] = await newDeliveries(db, clientId, [endpoint.id])
    await db.query(`update deliveries set next_attempt_at = now() + interval '1 hour' where id = $1`, [later])
    await fails(1, { hours: 1 })
    await eventually(async () => (await endpoint.shown()).status === 'disabled')
    expect(await endpoint.shown()).toMatchObject({ disabledReason: 'failing', disabledAt: expect.any(String) })
    await become('skipped', [later])
    expect(await delivery(later)).toMatchObject({ reason: 'endpoint_disabled', waitsFor: null })
  })

  test('is not after twenty attempts in less than five days', async () => {
    const { receiver, endpoint, fails } = await failing()
    await fails(30, { hours: 3 })
    expect((await endpoint.shown()).status).toBe('enabled')
    expect(receiver.requests).toHaveLength(30)
  })

  test('begins anew with each success', async () => {
    const { receiver, endpoint, fails } = await failing()
    await fails(19, { hours: 7 })
    receiver.behave({})
    await become('delivered', [await endpoint.test()])
    expect((await endpoint.shown()).failingSince).toBeNull()
    receiver.behave({ status: 500 })
    await fails(15, { hours: 7 })
    expect((await endpoint.shown()).status).toBe('enabled')
    await fails(5, { hours: 7 })
    await eventually(async () => (await endpoint.shown()).status === 'disabled')
  })

  test('begins anew when it is enabled again', async () => {
    const { endpoint, fails } = await failing()
    await fails(20, { hours: 7 })
    await eventually(async () => (await endpoint.shown()).status === 'disabled')
    await endpoint.post('enable')
    expect(await endpoint.shown()).toMatchObject({ status: 'enabled', disabledReason: null, failingSince: null })
    await fails(1, { hours: 7 })
    expect((await endpoint.shown()).status).toBe('enabled')
  })

  test('is told of: as failing after a day, as disabled, each once, and as recovered', async () => {
    const { receiver, endpoint, fails } = await failing()
    const said = () =>
      toldOf(endpoint.id)
        .filter(({ what }) => what !== 'exhausted')
        .map((change) => (change.what === 'disabled' ? change.reason : change.what))
    await fails(3, { hours: 7 })
    expect(said()).toEqual([])
    await fails(3, { hours: 7 })
    await eventually(() => said().length === 1)
    receiver.behave({})
    await become('delivered', [await endpoint.test()])
    await eventually(() => said().length === 2)
    receiver.behave({ status: 500 })
    await fails(20, { hours: 7 })
    await eventually(() => said().length === 4)
    expect(said()).toEqual(['failing', 'recovered', 'failing', 'failing'])
    // Of the deliveries that it fails for good, the first of each row of failures is told.
    expect(toldOf(endpoint.id).filter(({ what }) => what === 'exhausted')).toHaveLength(2)
  })
})

test('410 disables at once, is told once, and nothing more is sent; skipped deliveries can be sent again', async () => {
  const receiver = await startReceiver({ status: 410 })
  const endpoint = await newEndpoint(receiver.url, { maxInFlight: 2 })
  const ids = await endpoint.send(20)
  await eventually(async () => (await endpoint.shown()).status === 'disabled')
  expect((await endpoint.shown()).disabledReason).toBe('gone')
  await eventually(async () => (await deliveries(ids)).every(({ state }) => state !== 'pending'))
  const states = Map.groupBy(await deliveries(ids), ({ state }) => state)
  expect(states.get('failed')).toHaveLength(receiver.requests.length)
  expect(receiver.requests.length).toBeLessThanOrEqual(2)
  expect(toldOf(endpoint.id)).toEqual([{ clientId, endpointId: endpoint.id, what: 'disabled', reason: 'gone' }])

  const { status, body } = await gateway.api('POST', `/v1/endpoints/${endpoint.id}/test`, {})
  expect([status, body.error.code]).toEqual([409, 'endpoint_disabled'])
  receiver.behave({})
  await endpoint.post('enable')
  const skipped = (states.get('skipped') ?? []).map(({ id }) => id)
  const again = await Promise.all(skipped.map(async (id) => (await resend(id)).id))
  await become('delivered', again)
  expect((await deliveries(skipped)).every(({ state }) => state === 'skipped')).toBe(true)
})

test('disabling by hand is told once; deliveries made meanwhile are skipped', async () => {
  const receiver = await startReceiver()
  const endpoint = await newEndpoint(receiver.url)
  await endpoint.post('disable')
  await endpoint.post('disable')
  expect(toldOf(endpoint.id)).toEqual([{ clientId, endpointId: endpoint.id, what: 'disabled', reason: 'manual' }])
  expect(receiver.requests).toEqual([])
})

test('of a deleted endpoint the history stays: deliveries, attempts and stats', async () => {
  const receiver = await startReceiver()
  const endpoint = await newEndpoint(receiver.url)
  const [done] = [await endpoint.test()]
  await become('delivered', [done])
  receiver.behave({ status: 500 })
  const waiting = await endpoint.test()
  await eventually(async () => (await delivery(waiting)).attempts === 1)
  await endpoint.remove()
  await become('cancelled', [waiting])
  expect((await gateway.api('GET', `/v1/endpoints/${endpoint.id}`)).status).toBe(404)
  const { body } = await gateway.api('GET', `/v1/deliveries?endpointId=${endpoint.id}`)
  expect(body.data).toMatchObject([
    { id: waiting, state: 'cancelled', reason: 'endpoint_deleted' },
    { id: done, state: 'delivered' },
  ])
  expect(await attempts(done)).toHaveLength(1)
  const soon = encodeURIComponent(new Date(Date.now() + 60_000).toISOString())
  const stats = await gateway.api('GET', `/v1/endpoints/${endpoint.id}/stats?until=${soon}`)
  expect(stats.body.data).toMatchObject({ deliveries: { total: 2 }, attempts: { byOutcome: { 200: 1, 500: 1 } } })
})
