import { beforeEach, describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { fresh, snapshotEvent, subscriptionObject } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { hydratingGateway } from '../support/hydrating.ts'
import { startReceiver } from '../support/receiver.ts'
import { SECRET, stripeSignature } from '../support/receiving.ts'
import { API_KEY } from '../support/stripe-api.ts'

// A source that routes has one API key for all its clients: what is fetched for one counts for the others.

const { gateway, stripe } = await hydratingGateway({ LOG_LEVEL: 'error' })
const { api, db } = gateway
beforeEach(() => stripe.behave())

const make = async (path: string, body: object): Promise<string> => {
  const reply = await api('POST', path, body)
  expect([200, 201], JSON.stringify(reply.body)).toContain(reply.status)
  return reply.body.data.id
}
const newSource = (apiKey = API_KEY) =>
  make('/v1/sources', { signingSecrets: [SECRET], routing: { by: 'metadata' }, apiKey })

/** A client with an endpoint, and an event of it that lacks the name of a product. */
async function newClient(sourceId: string) {
  const clientId = await make('/v1/clients', { name: 'Of the platform' })
  const receiver = await startReceiver()
  await make('/v1/endpoints', { clientId, url: receiver.url, contract: 'flo.v1' })
  const product = fresh('prod')
  const path = `/v1/products/${product}`
  stripe.objects.set(path, { id: product, object: 'product', name: `Plan ${product}` })
  const subscription = subscriptionObject({ metadata: { client_user_id: 'user_1', flo_client: clientId } })
  for (const item of subscription.items.data) item.price.product = product
  const body = snapshotEvent('customer.subscription.created', subscription)
  return {
    ...{ clientId, path, planName: `Plan ${product}` },
    async send() {
      const headers = { 'content-type': 'application/json', 'stripe-signature': stripeSignature(body) }
      const answer = await fetch(`${gateway.url}/webhooks/stripe/${sourceId}`, { method: 'POST', headers, body })
      expect(answer.status).toBe(200)
    },
    names: (): Json[] => receiver.requests.map(({ body }) => JSON.parse(body).subscription.name),
    asks: () => stripe.asked.filter((one) => one.path === path).length,
  }
}
const newClients = (sourceId: string, count: number) =>
  Promise.all(Array.from({ length: count }, () => newClient(sourceId)))

describe('the clients of a source that routes', () => {
  test('have few calls under way at once, all together', async () => {
    const clients = await newClients(await newSource(), 16)
    let [under, most] = [0, 0]
    stripe.behave(({ path }) => {
      if (!clients.some((client) => client.path === path)) return undefined
      under += 1
      most = Math.max(most, under)
      // The first ones wait until others are under way, however slowly the events come in.
      return { delayMs: most > 1 ? 100 : 2000, done: () => (under -= 1) }
    })
    await Promise.all(clients.map(({ send }) => send()))
    for (const { names, planName } of clients) {
      await eventually(() => names().length === 1)
      expect(names()).toEqual([planName])
    }
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(4)
  })

  test('all wait where Stripe has had too many requests of one', async () => {
    const sourceId = await newSource()
    const [one, other] = await newClients(sourceId, 2)
    if (!one || !other) throw new Error('Two clients.')
    stripe.behave(({ path }) => (path === one.path ? { status: 429, headers: { 'retry-after': '300' } } : undefined))
    const nextOf = async ({ clientId }: { clientId: string }) => {
      const { rows } = await db.query(
        `select extract(epoch from next_attempt_at - now())::float8 as seconds from hydrations where client_id = $1`,
        [clientId],
      )
      return rows[0]?.seconds
    }
    await one.send()
    await eventually(async () => (await nextOf(one)) > 100)
    await other.send()
    await eventually(async () => (await nextOf(other)) > 100)
    expect([one.asks(), other.asks()]).toEqual([1, 0])
  })

  test('go on without where Stripe has refused the key to one, and are asked for with another key', async () => {
    const sourceId = await newSource('rk_test_wrong')
    const [one, other, later] = await newClients(sourceId, 3)
    if (!one || !other || !later) throw new Error('Three clients.')
    await one.send()
    await eventually(() => one.names().length === 1)
    await other.send()
    await eventually(() => other.names().length === 1)
    expect([one.names(), other.names()]).toEqual([[null], [null]])
    expect([one.asks(), other.asks()]).toEqual([1, 0])
    const { body } = await api('GET', `/v1/source-events?clientId=${other.clientId}`)
    expect(body.data[0].reason.message).toContain('Stripe refuses the API key (401).')

    expect((await api('PATCH', `/v1/sources/${sourceId}`, { apiKey: API_KEY })).status).toBe(200)
    expect((await db.query('select from hydration_circuits where source_id = $1', [sourceId])).rowCount).toBe(0)
    await later.send()
    await eventually(() => later.names().length === 1)
    expect(later.names()).toEqual([later.planName])
  })

  test('are left alone together after some calls have failed, each of another client', async () => {
    const clients = await newClients(await newSource(), 6)
    const last = clients.pop()
    stripe.behave(({ path }) => (clients.some((client) => client.path === path) ? { status: 500 } : undefined))
    await Promise.all(clients.map(({ send }) => send()))
    for (const { names } of clients) await eventually(() => names().length === 1)
    await last?.send()
    await eventually(() => last?.names().length === 1)
    expect([last?.names(), last?.asks()]).toEqual([[null], 0])
  })
})
