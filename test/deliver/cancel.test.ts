import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { inTransaction } from '../../src/database/db.ts'
import { cancelDelivery } from '../../src/deliver/cancel.ts'
import { resendDelivery } from '../../src/deliver/resend.ts'
import { newId } from '../../src/domain/ids.ts'
import { apiOn, twoClients } from '../support/api.ts'
import { newClient, newDeliveries, readDelivery, startWithClient, untilSettled } from '../support/delivering.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'

const { db, room, clientId, addEndpoint, deliverTo, settleTo } = await startWithClient()
const cancel = (id: string) => inTransaction(db, (tx) => cancelDelivery(tx, clientId, id))
const again = (id: string) => inTransaction(db, (tx) => resendDelivery(tx, clientId, id))
const CANCELLED = { state: 'cancelled', reason: 'cancelled_by_request', next_attempt_at: null }

describe('a delivery that is cancelled', () => {
  test('while it waits for a retry is not sent again, and its attempts stay', async () => {
    const receiver = await startReceiver((_, count) => ({ status: count === 1 ? 500 : 200 }))
    const endpoint = await addEndpoint({ ...receiver, retrySchedule: [3600] })
    const [first = ''] = await deliverTo(endpoint.id)
    await eventually(async () => (await readDelivery(db, first)).attempts === 1)
    expect(await cancel(first)).toEqual({ endpointId: endpoint.id })
    expect(await readDelivery(db, first)).toMatchObject({ ...CANCELLED, attempts: 1 })
    // Once more changes nothing.
    const ended = await readDelivery(db, first)
    await cancel(first)
    expect(await readDelivery(db, first)).toEqual(ended)
    const later = await settleTo(endpoint.id)
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([first, ...later])
  })

  test('while it waits in memory for its turn is not sent', async () => {
    const { promise, resolve: letGo } = Promise.withResolvers<void>()
    const receiver = await startReceiver(async (_, count) => {
      if (count === 1) await promise
      return {}
    })
    const endpoint = await addEndpoint({ ...receiver, maxInFlight: 1 })
    const [first = '', second = ''] = await deliverTo(endpoint.id, { count: 2 })
    await eventually(() => receiver.requests.length === 1)
    await cancel(second)
    await delay(1_100)
    letGo()
    await untilSettled(db, [first])
    const later = await settleTo(endpoint.id)
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([first, ...later])
    expect(await readDelivery(db, second)).toMatchObject({ ...CANCELLED, attempts: 0 })
  })

  test.each([
    [200, 'delivered', null],
    [500, 'cancelled', 'cancelled_by_request'],
  ])('while its attempt is under way, which is answered with %i, is %s', async (status, state, reason) => {
    const { promise, resolve: letGo } = Promise.withResolvers<void>()
    const receiver = await startReceiver(async () => {
      await promise
      return { status }
    })
    const endpoint = await addEndpoint({ ...receiver, retrySchedule: [] })
    const [id = ''] = await deliverTo(endpoint.id)
    await eventually(() => receiver.requests.length === 1)
    await cancel(id)
    letGo()
    await eventually(async () => (await readDelivery(db, id)).attempts === 1)
    expect(await readDelivery(db, id)).toMatchObject({ state, reason, next_attempt_at: null })
    expect(receiver.requests).toHaveLength(1)
    // It did not fail for good: nobody is told so.
    const { rows } = await db.query('select what from endpoint_news where endpoint_id = $1', [endpoint.id])
    expect(rows).toEqual([])
  })

  test('can be sent after all, as a new one', async () => {
    const receiver = await startReceiver({})
    const endpoint = await addEndpoint(receiver)
    const [id = ''] = await newDeliveries(db, clientId, [endpoint.id])
    await cancel(id)
    const resent = await again(id)
    room.wake(clientId, [endpoint.id])
    await untilSettled(db, [resent.id])
    expect(await readDelivery(db, resent.id)).toMatchObject({ state: 'delivered' })
    expect(await readDelivery(db, id)).toMatchObject(CANCELLED)
  })

  test('beside a resend of it leaves exactly one to send or none, and is never both', async () => {
    const endpoint = await addEndpoint({ url: 'http://127.0.0.1:9' })
    const [id = ''] = await newDeliveries(db, clientId, [endpoint.id])
    const [resent] = await Promise.all([again(id), cancel(id)])
    expect((await readDelivery(db, id)).state).toBe('cancelled')
    expect((await readDelivery(db, resent.id)).state).toBe('pending')
  })
})

test.each(['delivered', 'failed', 'skipped'])('one that was %s cannot be cancelled', async (state) => {
  const endpoint = await addEndpoint({ url: 'http://127.0.0.1:9' })
  const [id = ''] = await newDeliveries(db, clientId, [endpoint.id])
  await db.query(
    'update deliveries set state = $3, reason = null, next_attempt_at = null, finished_at = now() where client_id = $1 and id = $2',
    [clientId, id, state],
  )
  await expect(cancel(id)).rejects.toMatchObject({ code: 'delivery_ended' })
  expect((await readDelivery(db, id)).state).toBe(state)
})

test('what there is not, or is of another client, is not found', async () => {
  const endpoint = await addEndpoint({ url: 'http://127.0.0.1:9' })
  const [id = ''] = await newDeliveries(db, clientId, [endpoint.id])
  await expect(cancel(newId())).rejects.toMatchObject({ code: 'not_found' })
  const other = await newClient(db)
  await expect(inTransaction(db, (tx) => cancelDelivery(tx, other, id))).rejects.toMatchObject({ code: 'not_found' })
  expect((await readDelivery(db, id)).state).toBe('pending')
})

test('by the API it takes the scope to write, shows what became of it, and wakes the endpoint', async () => {
  const api = apiOn(db)
  const { ours, theirs } = await twoClients(api)
  const [id = ''] = await newDeliveries(db, ours.clientId, [ours.endpointId])
  const path = `/v1/deliveries/${id}/cancel`
  expect((await ours.reader.post(path, {})).status).toBe(403)
  expect((await theirs.full.post(path, {})).status).toBe(404)
  for (let turn = 0; turn < 2; turn++) {
    const { status, body } = await ours.full.post(path, {})
    expect([status, body.data.state, body.data.reason, body.data.waitsFor]).toEqual([
      200,
      'cancelled',
      'cancelled_by_request',
      null,
    ])
  }
  expect(api.woken).toContainEqual(expect.objectContaining({ clientId: ours.clientId, endpointIds: [ours.endpointId] }))
  expect((await ours.full.get('/v1/deliveries?state=cancelled')).body.data).toMatchObject([{ id }])
  const { body } = await ours.full.get(`/v1/endpoints/${ours.endpointId}/stats`)
  expect(JSON.stringify(body.data)).toContain('"cancelled":1')
})
