import { Webhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { expect, test } from 'vitest'
import { flo } from '../../src/contracts/flo.ts'
import { firstRow } from '../../src/database/rows.ts'
import { freshDatabase } from '../support/database.ts'
import {
  newClient,
  newDeliveries,
  newEndpoint,
  readDelivery,
  ring,
  startDelivering,
  untilSettled,
} from '../support/delivering.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'

const database = await freshDatabase()
const { db } = database
const stripe = new Stripe('sk_test_unused')
const room = await startDelivering(database)
const clientId = await newClient(db)

/** One delivery to a receiver of its own, on its way. */
async function sent(
  behaviour: Parameters<typeof startReceiver>[0] = {},
  fields: Omit<Parameters<typeof newEndpoint>[2], 'url'> = {},
) {
  const receiver = await startReceiver(behaviour)
  const endpoint = await newEndpoint(db, clientId, { url: `${receiver.url}/hook?a=1`, ...fields })
  const [id = ''] = await newDeliveries(db, clientId, [endpoint.id])
  room.wake(clientId, [endpoint.id])
  return { receiver, endpoint, id, delivery: () => readDelivery(db, id) }
}

test('a due delivery arrives as its contract says, and both verifiers accept it', async () => {
  const { receiver, endpoint, id, delivery } = await sent()
  await untilSettled(db, [id])
  const request = firstRow(receiver.requests)
  expect(request).toMatchObject({ method: 'POST', path: '/hook?a=1' })
  expect(request.headers).toMatchObject({
    'content-type': 'application/json',
    'webhook-id': id,
    'flo-event-type': 'subscription.created',
    'flo-delivery-attempt': '1',
  })
  expect(flo.wireSchemas['subscription.created']?.parse(JSON.parse(request.body))).toMatchObject({ eventId: id })
  const signature = String(request.headers['flo-signature'])
  stripe.webhooks.constructEvent(request.bytes, signature, endpoint.secret)
  new Webhook(endpoint.secret.replace('flo_', '')).verify(request.body, request.headers as Record<string, string>)
  expect(await delivery()).toMatchObject({ state: 'delivered', attempts: 1, next_attempt_at: null, reason: null })
  expect((await delivery()).made).toMatchObject([{ number: 1, status: 200, error: null, signature }])
})

test('a wake that names no endpoint finds those that have something due', async () => {
  const receiver = await startReceiver()
  const endpoint = await newEndpoint(db, clientId, receiver)
  const ids = await newDeliveries(db, clientId, [endpoint.id], { count: 3 })
  room.wake(clientId)
  await untilSettled(db, ids)
  expect(receiver.requests).toHaveLength(3)
})

test('a refused delivery is tried again by its schedule, with the same bytes and a number that grows', async () => {
  const { receiver, id, delivery } = await sent((_, count) => ({ status: count < 3 ? 500 : 204 }), {
    retrySchedule: [0, 1, 3600],
  })
  await untilSettled(db, [id])
  expect(receiver.requests.map(({ headers }) => headers['flo-delivery-attempt'])).toEqual(['1', '2', '3'])
  expect(new Set(receiver.requests.map(({ body }) => body)).size).toBe(1)
  const { state, made } = await delivery()
  expect(state).toBe('delivered')
  expect(made).toMatchObject([{ status: 500 }, { status: 500 }, { status: 204 }])
  expect(made[2].started_at - made[1].started_at).toBeGreaterThanOrEqual(1000)
})

test('after the last attempt the delivery has failed', async () => {
  const { receiver, id, delivery } = await sent({ status: 500 }, { retrySchedule: [0, 0] })
  await untilSettled(db, [id])
  expect(await delivery()).toMatchObject({ state: 'failed', attempts: 3 })
  expect(receiver.requests).toHaveLength(3)
})

test('an empty schedule is one attempt', async () => {
  const { id, delivery } = await sent({ status: 503, headers: { 'retry-after': '0' } }, { retrySchedule: [] })
  await untilSettled(db, [id])
  expect(await delivery()).toMatchObject({ state: 'failed', attempts: 1 })
})

test('a redirect is a failure and is not followed', async () => {
  const other = await startReceiver()
  const { id, delivery } = await sent({ status: 307, headers: { location: other.url } })
  await untilSettled(db, [id])
  expect(await delivery()).toMatchObject({ state: 'failed', made: [{ status: 307 }] })
  expect(other.requests).toEqual([])
})

test('a Retry-After that is later than the step counts', async () => {
  const { delivery } = await sent({ status: 429, headers: { 'retry-after': '120' } }, { retrySchedule: [5] })
  const { next_attempt_at, made } = await eventually(async () => {
    const row = await delivery()
    return row.attempts === 1 && row
  })
  // Two minutes from its record, which lies between the attempt and now.
  expect(next_attempt_at - made[0].started_at).toBeGreaterThanOrEqual(120_000)
  expect(next_attempt_at - Date.now()).toBeLessThanOrEqual(120_000)
})

test('410 disables the endpoint, and what else waits for it is skipped', async () => {
  const receiver = await startReceiver({ status: 410 })
  const endpoint = await newEndpoint(db, clientId, { ...receiver, retrySchedule: [3600] })
  const ids = await newDeliveries(db, clientId, [endpoint.id], { count: 50 })
  room.wake(clientId, [endpoint.id])
  await untilSettled(db, ids)
  const { rows } = await db.query('select status, disabled_reason from endpoints where id = $1', [endpoint.id])
  expect(rows).toEqual([{ status: 'disabled', disabled_reason: 'gone' }])
  await eventually(async () => {
    const states = await Promise.all(ids.map(async (id) => (await readDelivery(db, id)).state))
    expect(states.filter((state) => state === 'failed')).toHaveLength(receiver.requests.length)
    expect(states.filter((state) => state === 'skipped')).toHaveLength(50 - receiver.requests.length)
    return true
  })
  expect(receiver.requests.length).toBeLessThanOrEqual(10)
})

test('a rotation holds from the next attempt: the old and the new secret sign, then the new alone', async () => {
  const { receiver, endpoint, id } = await sent({ status: 500 }, { retrySchedule: [3600, 3600] })
  await eventually(() => receiver.requests.length === 1)
  const next = flo.newSecret()
  const rotateTo = async (until: Date) => {
    await eventually(async () => (await readDelivery(db, id)).attempts === receiver.requests.length)
    await db.query('update endpoints set secrets = $2 where id = $1', [
      endpoint.id,
      JSON.stringify([
        { secret: ring.encrypt(next), until: null },
        { secret: ring.encrypt(endpoint.secret), until },
      ]),
    ])
    await db.query('update deliveries set next_attempt_at = now() where id = $1', [id])
    room.wake(clientId, [endpoint.id])
  }
  await rotateTo(new Date(Date.now() + 3600_000))
  await eventually(() => receiver.requests.length === 2)
  await rotateTo(new Date(Date.now() - 1000))
  await eventually(() => receiver.requests.length === 3)
  const accepted = receiver.requests.map(({ bytes, headers }) =>
    [endpoint.secret, next].map((secret) => {
      try {
        return Boolean(stripe.webhooks.constructEvent(bytes, String(headers['flo-signature']), secret))
      } catch {
        return false
      }
    }),
  )
  expect(accepted).toEqual([
    [true, false],
    [true, true],
    [false, true],
  ])
})

test('deliveries of a disabled endpoint are skipped, of a deleted one cancelled, future retries too', async () => {
  const { receiver, endpoint, id, delivery } = await sent({ status: 500 }, { retrySchedule: [3600] })
  await eventually(async () => (await delivery()).attempts === 1)
  await db.query(`update endpoints set status = 'disabled', disabled_reason = 'manual' where id = $1`, [endpoint.id])
  room.wake(clientId, [endpoint.id])
  await untilSettled(db, [id])
  expect(await delivery()).toMatchObject({ state: 'skipped', reason: 'endpoint_disabled', attempts: 1 })

  await db.query('update endpoints set deleted_at = now() where id = $1', [endpoint.id])
  const [second = ''] = await newDeliveries(db, clientId, [endpoint.id])
  room.wake(clientId, [endpoint.id])
  await untilSettled(db, [second])
  expect(await readDelivery(db, second)).toMatchObject({ state: 'cancelled', reason: 'endpoint_deleted' })
  expect(receiver.requests).toHaveLength(1)
})

test('an endpoint that is enabled again takes deliveries again', async () => {
  const receiver = await startReceiver()
  const endpoint = await newEndpoint(db, clientId, receiver)
  await db.query(`update endpoints set status = 'disabled', disabled_reason = 'manual' where id = $1`, [endpoint.id])
  const [first = ''] = await newDeliveries(db, clientId, [endpoint.id])
  room.wake(clientId, [endpoint.id])
  await untilSettled(db, [first])
  await db.query(`update endpoints set status = 'enabled', disabled_reason = null where id = $1`, [endpoint.id])
  const [second = ''] = await newDeliveries(db, clientId, [endpoint.id])
  room.wake(clientId, [endpoint.id])
  await untilSettled(db, [second])
  expect([(await readDelivery(db, first)).state, (await readDelivery(db, second)).state]).toEqual([
    'skipped',
    'delivered',
  ])
})

test('a filter that was narrowed meanwhile holds for what the fan-out made', async () => {
  const receiver = await startReceiver()
  const endpoint = await newEndpoint(db, clientId, { ...receiver, eventTypes: ['invoice.*', 'item.refunded'] })
  const deliver = async (eventType: string) => firstRow(await newDeliveries(db, clientId, [endpoint.id], { eventType }))
  const ids = [await deliver('invoice.paid'), await deliver('subscription.created'), await deliver('item.refunded')]
  room.wake(clientId, [endpoint.id])
  await untilSettled(db, ids)
  const states = await Promise.all(ids.map(async (id) => (await readDelivery(db, id)).state))
  expect(states).toEqual(['delivered', 'skipped', 'delivered'])
})

test("an endpoint's own headers are sent, and none takes the place of the contract's", async () => {
  const { receiver, id } = await sent(
    {},
    { headers: { 'X-Tenant': 'blue', 'flo-signature': 'forged', 'Content-Type': 'text/plain' } },
  )
  await untilSettled(db, [id])
  expect(receiver.requests[0]?.headers).toMatchObject({
    'x-tenant': 'blue',
    'flo-signature': expect.stringMatching(/^t=\d+,v1=/),
    'content-type': 'application/json',
  })
})

test('deliveries of one endpoint start in the order of their ids', async () => {
  const receiver = await startReceiver()
  const endpoint = await newEndpoint(db, clientId, { ...receiver, maxInFlight: 1 })
  const ids = await newDeliveries(db, clientId, [endpoint.id], { count: 60 })
  room.wake(clientId, [endpoint.id])
  await untilSettled(db, ids)
  expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual(ids)
})

test('a secret that no key of the ring opens costs no attempt: the delivery goes out once it can be signed', async () => {
  const receiver = await startReceiver()
  const endpoint = await newEndpoint(db, clientId, receiver)
  const { rows } = await db.query('select secrets from endpoints where id = $1', [endpoint.id])
  await db.query(`update endpoints set secrets = '[{"secret": "lost:AAAA", "until": null}]' where id = $1`, [
    endpoint.id,
  ])
  const [id = ''] = await newDeliveries(db, clientId, [endpoint.id])
  room.wake(clientId, [endpoint.id])
  const bystander = await sent()
  await untilSettled(db, [bystander.id])
  expect(await readDelivery(db, id)).toMatchObject({ state: 'pending', attempts: 0 })
  await db.query('update endpoints set secrets = $2 where id = $1', [endpoint.id, JSON.stringify(rows[0].secrets)])
  await untilSettled(db, [id])
  expect(await readDelivery(db, id)).toMatchObject({ state: 'delivered', attempts: 1 })
})

test("a name that the system's resolver does not know is a failed attempt of the class dns", async () => {
  const endpoint = await newEndpoint(db, clientId, { url: 'https://no-such-host.invalid/hook' })
  const [id = ''] = await newDeliveries(db, clientId, [endpoint.id])
  room.wake(clientId, [endpoint.id])
  await untilSettled(db, [id])
  expect((await readDelivery(db, id)).made).toMatchObject([{ status: null, error: 'dns' }])
})
