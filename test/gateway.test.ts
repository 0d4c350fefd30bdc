import Stripe from 'stripe'
import { expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { startTestGateway } from './support/gateway.ts'
import { present } from './support/present.ts'
import { startReceiver } from './support/receiver.ts'
import { subscriptionCreated } from './support/subscription.ts'
import { layWay } from './support/way.ts'

test('a signed Stripe event goes in and a signed Flo event comes out', async () => {
  const [gateway, receiver] = [await startTestGateway(), await startReceiver()]
  const way = await layWay(gateway.api, receiver.url)

  const answer = await way.post(gateway.url, subscriptionCreated())
  expect(answer).toEqual({ status: 200, body: { received: true, duplicate: false } })
  const delivery = await eventually(() => receiver.requests[0])

  const event = Stripe.webhooks.constructEvent(delivery.bytes, present(delivery.headers['flo-signature']), way.secret)
  expect(event).toMatchObject({ eventType: 'subscription.created', objectType: 'subscription' })
})

test('an event received by one process is normalised and delivered by another', async () => {
  const working = await startTestGateway({ FLO_ROLES: 'work' })
  const receiving = await startTestGateway({ FLO_ROLES: 'receive,api', DATABASE_URL: working.databaseUrl })
  const receiver = await startReceiver()
  const way = await layWay(receiving.api, receiver.url)

  expect((await way.post(receiving.url, subscriptionCreated())).status).toBe(200)
  await eventually(() => receiver.requests.length === 1)
  expect((await way.post(working.url, subscriptionCreated())).status).toBe(404)
})

test('every process tells whether it is ready, whatever its roles', async () => {
  const all = await startTestGateway()
  for (const FLO_ROLES of ['receive', 'work', 'api']) {
    const gateway = await startTestGateway({ FLO_ROLES, DATABASE_URL: all.databaseUrl })
    expect((await gateway.api('GET', '/healthz')).status).toBe(200)
    await eventually(async () => (await gateway.api('GET', '/readyz')).status === 200)
  }
})

test('work that two processes share is done once, whichever of them receives it', async () => {
  const one = await startTestGateway()
  const other = await startTestGateway({ DATABASE_URL: one.databaseUrl })
  const receiver = await startReceiver()
  const way = await layWay(one.api, receiver.url)
  const bodies = Array.from({ length: 60 }, () => subscriptionCreated())
  const answers = await Promise.all(bodies.map((body, at) => way.post(at % 2 ? one.url : other.url, body)))
  expect(answers.every(({ status }) => status === 200)).toBe(true)

  await eventually(() => receiver.requests.length >= 60)
  await eventually(async () => (await way.deliveries()).every(({ state }) => state === 'delivered'))
  expect(new Set(receiver.requests.map(({ body }) => JSON.parse(body).eventId)).size).toBe(60)
  expect(receiver.requests).toHaveLength(60)
})

test('a gateway whose database connections are all cut goes on by itself', async () => {
  const [gateway, receiver] = [await startTestGateway({ LOG_LEVEL: 'silent' }), await startReceiver()]
  const way = await layWay(gateway.api, receiver.url)
  await way.post(gateway.url, subscriptionCreated())
  await eventually(() => receiver.requests.length === 1)

  await gateway.db.query(`select pg_terminate_backend(pid) from pg_stat_activity
                           where datname = current_database() and pid <> pg_backend_pid()`)
  await eventually(async () => (await gateway.api('GET', '/readyz')).status === 200)
  await eventually(async () => (await way.post(gateway.url, subscriptionCreated())).status === 200)
  await eventually(() => receiver.requests.length >= 2)
})
