import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { inTransaction } from '../../src/database/db.ts'
import { resendDelivery } from '../../src/deliver/resend.ts'
import { newId } from '../../src/domain/ids.ts'
import { newClient, newDeliveries, readDelivery, startWithClient, untilSettled } from '../support/delivering.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'

const { db, room, clientId, addEndpoint, deliverTo, settleTo } = await startWithClient()
const again = (id: string) => inTransaction(db, (tx) => resendDelivery(tx, clientId, id))

test('a resend is a new delivery with an id, a body and a schedule of its own', async () => {
  const receiver = await startReceiver({ status: 500 })
  const endpoint = await addEndpoint({ ...receiver, retrySchedule: [0] })
  const [first = ''] = await settleTo(endpoint.id)
  const { id, endpointId } = await again(first)
  expect(endpointId).toBe(endpoint.id)
  room.wake(clientId, [endpointId])
  await untilSettled(db, [id])
  expect(await readDelivery(db, first)).toMatchObject({ state: 'failed', attempts: 2 })
  expect(await readDelivery(db, id)).toMatchObject({ state: 'failed', attempts: 2 })
  const sentIds = receiver.requests.map(({ body }) => JSON.parse(body).eventId)
  expect(sentIds).toEqual([first, first, id, id])
})

test('one that is still pending is cancelled, and its timer is gone', async () => {
  const receiver = await startReceiver((_, count) => ({ status: count === 1 ? 500 : 200 }))
  const endpoint = await addEndpoint({ ...receiver, retrySchedule: [3600, 3600] })
  const [first = ''] = await deliverTo(endpoint.id)
  await eventually(async () => (await readDelivery(db, first)).attempts === 1)
  const { id } = await again(first)
  expect(await readDelivery(db, first)).toMatchObject({ state: 'cancelled', reason: 'resent', next_attempt_at: null })
  room.wake(clientId, [endpoint.id])
  await untilSettled(db, [id])
  // The retry clock wakes the endpoint as this does, and the one that was cancelled is not found any more.
  const later = await settleTo(endpoint.id)
  expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([first, id, ...later])
})

test('one that waits in memory for its turn is not sent once it is cancelled', async () => {
  const { promise: isResent, resolve: letGo } = Promise.withResolvers<void>()
  const receiver = await startReceiver(async (_, count) => {
    if (count === 1) await isResent
    return {}
  })
  const endpoint = await addEndpoint({ ...receiver, maxInFlight: 1 })
  const [first = '', second = ''] = await deliverTo(endpoint.id, { count: 2 })
  await eventually(() => receiver.requests.length === 1)
  const { id } = await again(second)
  room.wake(clientId, [endpoint.id])
  // What was read longer ago than this is read again before it is sent (TRUSTED_MS of src/deliver/start-check.ts).
  await delay(1_100)
  letGo()
  await untilSettled(db, [first, second, id])
  expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([first, id])
  expect(await readDelivery(db, second)).toMatchObject({ state: 'cancelled', attempts: 0 })
})

test('of two resends at once one is left pending', async () => {
  const endpoint = await addEndpoint({ url: 'http://127.0.0.1:9' })
  const [first = ''] = await newDeliveries(db, clientId, [endpoint.id])
  const made = await Promise.all([again(first), again(first)])
  const states = await Promise.all(made.map(async ({ id }) => (await readDelivery(db, id)).state))
  expect(states.toSorted()).toEqual(['cancelled', 'pending'])
})

test('a delivery that is not there, of another client, or of a deleted endpoint is refused; a disabled endpoint too', async () => {
  const endpoint = await addEndpoint({ url: 'http://127.0.0.1:9' })
  const [id = ''] = await newDeliveries(db, clientId, [endpoint.id])
  const refusedWith = (code: string) => expect.objectContaining({ code })
  await expect(again(newId())).rejects.toEqual(refusedWith('not_found'))
  const stranger = await newClient(db)
  await expect(inTransaction(db, (tx) => resendDelivery(tx, stranger, id))).rejects.toEqual(refusedWith('not_found'))
  await db.query(`update endpoints set status = 'disabled', disabled_reason = 'manual' where id = $1`, [endpoint.id])
  await expect(again(id)).rejects.toEqual(refusedWith('endpoint_disabled'))
  await db.query('update endpoints set deleted_at = now() where id = $1', [endpoint.id])
  await expect(again(id)).rejects.toMatchObject({ code: 'not_found', message: expect.stringContaining('was deleted') })
})
