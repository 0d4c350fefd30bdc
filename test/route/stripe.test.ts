import { describe, expect, test } from 'vitest'
import { OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { fresh, invoiceObject, snapshotEvent, subscriptionObject, thinEvent } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { hydratingGateway } from '../support/hydrating.ts'
import { startReceiver } from '../support/receiver.ts'
import { SECRET, stripeSignature } from '../support/receiving.ts'
import { readWhereabouts } from '../support/routed-source.ts'
import { API_KEY } from '../support/stripe-api.ts'

// What sources that route ask of Stripe: whose events are, what they lack, and what never arrived.

const { gateway, stripe } = await hydratingGateway({ LOG_LEVEL: 'error' })
const { api, db } = gateway

const make = async (path: string, body: object): Promise<string> => {
  const reply = await api('POST', path, body)
  expect([200, 201, 202], JSON.stringify(reply.body)).toContain(reply.status)
  return reply.body.data.id
}
const newSource = (by: string | string[] = 'metadata') =>
  make('/v1/sources', { signingSecrets: [SECRET], routing: { by }, apiKey: API_KEY })
const newClient = () => make('/v1/clients', { name: 'Of the platform' })
async function post(sourceId: string, body: string) {
  const headers = { 'content-type': 'application/json', 'stripe-signature': stripeSignature(body) }
  const answer = await fetch(`${gateway.url}/webhooks/stripe/${sourceId}`, { method: 'POST', headers, body })
  expect(answer.status).toBe(200)
}
const routings = async (sourceId: string) =>
  (await readWhereabouts(db, sourceId)).map(({ clientId, routing, routedBy }) => ({
    clientId,
    routing,
    of: routedBy?.of,
  }))
const untilRouted = (sourceId: string, count = 1) =>
  eventually(async () => {
    const found = await routings(sourceId)
    return found.length >= count && found.every(({ routing }) => routing !== 'waiting') && found
  })
const objectAt = (path: string, object: { id: string } & Record<string, unknown>) =>
  stripe.objects.set(`${path}/${object.id}`, object)

describe('an event whose client is not known', () => {
  test('is looked up by its customer', async () => {
    const [sourceId, clientId] = [await newSource(), await newClient()]
    const customer = fresh('cus')
    objectAt('/v1/customers', { id: customer, object: 'customer', metadata: { flo_client: clientId } })
    await post(
      sourceId,
      snapshotEvent('payment_intent.created', { id: fresh('pi'), object: 'payment_intent', customer }),
    )
    expect(await untilRouted(sourceId)).toEqual([{ clientId, routing: 'routed', of: `customer ${customer}` }])
  })

  test('is looked up by its subscription, and by what leads to one', async () => {
    const [sourceId, clientId] = [await newSource(), await newClient()]
    const [subscription, invoice] = [fresh('sub'), fresh('in')]
    objectAt('/v1/subscriptions', { id: subscription, object: 'subscription', metadata: { flo_client: clientId } })
    objectAt('/v1/invoices', { id: invoice, object: 'invoice', parent: { subscription_details: { subscription } } })
    const payment = { id: fresh('inpay'), object: 'invoice_payment', invoice, payment: { type: 'payment_intent' } }
    await post(sourceId, snapshotEvent('invoice_payment.paid', payment))
    expect(await untilRouted(sourceId)).toEqual([{ clientId, routing: 'routed', of: `subscription ${subscription}` }])
  })

  test('is asked for once, whatever the number of its events, and what it told is known from then on', async () => {
    const [sourceId, clientId] = [await newSource(), await newClient()]
    const customer = fresh('cus')
    objectAt('/v1/customers', { id: customer, object: 'customer', metadata: { flo_client: clientId } })
    const paid = () => snapshotEvent('charge.succeeded', { id: fresh('ch'), object: 'charge', customer })
    await Promise.all(Array.from({ length: 5 }, () => post(sourceId, paid())))
    await untilRouted(sourceId, 5)
    await post(sourceId, paid())
    expect((await untilRouted(sourceId, 6)).every((one) => one.clientId === clientId)).toBe(true)
    expect(stripe.paths().filter((path) => path.endsWith(customer))).toHaveLength(1)
  })

  test('is looked up again when it is renormalized', async () => {
    const [sourceId, clientId] = [await newSource(), await newClient()]
    const customer = fresh('cus')
    await post(sourceId, snapshotEvent('charge.succeeded', { id: fresh('ch'), object: 'charge', customer }))
    await eventually(() => stripe.paths().some((path) => path.endsWith(customer)))
    await db.query(`update routings set due_at = now() where source_id = $1`, [sourceId])
    await db.query(`update source_events set held_until = now() where source_id = $1`, [sourceId])
    await api('POST', '/v1/source-events/renormalize', { clientId: OPERATOR_CLIENT, state: 'unrouted', sourceId })
    await eventually(async () => (await routings(sourceId))[0]?.routing === 'unrouted')
    objectAt('/v1/customers', { id: customer, object: 'customer', metadata: { flo_client: clientId } })
    await db.query(`update hydrations set ask_again_at = now() where source_id = $1`, [sourceId])
    const { rows } = await db.query('select id from source_events where source_id = $1', [sourceId])
    expect((await api('POST', `/v1/source-events/${rows[0]?.id}/renormalize`)).status).toBe(202)
    await eventually(async () => (await routings(sourceId))[0]?.routing === 'routed')
  })

  test('is asked of nobody where it is of a connected account', async () => {
    const sourceId = await newSource(['account', 'metadata'])
    const customer = fresh('cus')
    await post(
      sourceId,
      snapshotEvent('charge.succeeded', { id: fresh('ch'), object: 'charge', customer }, { account: 'acct_unknown' }),
    )
    const isWaiting = async () => (await routings(sourceId))[0]?.routing === 'waiting'
    expect(await isWaiting()).toBe(true)
    await db.query(`update source_events set held_until = now() where source_id = $1`, [sourceId])
    await db.query(`update routings set due_at = now() where source_id = $1`, [sourceId])
    // Another event is looked up meanwhile: the room has been there.
    const other = fresh('cus')
    await post(sourceId, snapshotEvent('charge.succeeded', { id: fresh('ch'), object: 'charge', customer: other }))
    await eventually(() => stripe.paths().some((path) => path.endsWith(other)))
    expect(stripe.paths().some((path) => path.endsWith(customer))).toBe(false)
  })
})

/** A client with an endpoint of Flo's, and what arrives there. */
async function newReceivingClient() {
  const clientId = await newClient()
  const receiver = await startReceiver()
  await make('/v1/endpoints', { clientId, url: receiver.url, contract: 'flo.v1' })
  const arrived = (): Json[] => receiver.requests.map(({ body }) => JSON.parse(body))
  return { clientId, arrived }
}
const planOf = (productId: string, metadata: object) => {
  const subscription = subscriptionObject({ metadata: { client_user_id: 'user_1', ...metadata } })
  for (const item of subscription.items.data) item.price.product = productId
  return subscription
}

describe('a client of a source that routes', () => {
  test('has its plans named by products that the source has shared', async () => {
    const [sourceId, one, two] = [await newSource(), await newReceivingClient(), await newReceivingClient()]
    const product = { id: fresh('prod'), object: 'product', name: 'Shared by all' }
    await post(sourceId, snapshotEvent('product.created', product))
    await eventually(
      async () =>
        (await db.query('select 1 from objects where source_id = $1 and client_id = $2', [sourceId, OPERATOR_CLIENT]))
          .rowCount === 1,
    )
    for (const { clientId } of [one, two])
      await post(sourceId, snapshotEvent('customer.subscription.created', planOf(product.id, { flo_client: clientId })))
    for (const { arrived } of [one, two]) {
      await eventually(() => arrived().length > 0)
      expect(JSON.stringify(arrived()[0])).toContain('Shared by all')
    }
    expect(stripe.paths().some((path) => path.endsWith(product.id))).toBe(false)
  })

  test('has what its events lack fetched with the source’s key, from the connected account', async () => {
    const [sourceId, { clientId, arrived }] = [await newSource('account'), await newReceivingClient()]
    const account = fresh('acct')
    await api('PUT', `/v1/sources/${sourceId}/routes/${account}`, { clientId })
    const product = { id: fresh('prod'), object: 'product', name: 'Of the account' }
    stripe.objects.set(`${account} /v1/products/${product.id}`, product)
    await post(sourceId, snapshotEvent('customer.subscription.created', planOf(product.id, {}), { account }))
    await eventually(() => arrived().length > 0)
    expect(JSON.stringify(arrived()[0])).toContain('Of the account')
    const [asked] = stripe.asked.filter(({ path }) => path.endsWith(product.id))
    expect(asked?.headers['stripe-account']).toBe(account)
  })

  test('gets thin events by the account that they name as their context', async () => {
    const [sourceId, { clientId, arrived }] = [await newSource('account'), await newReceivingClient()]
    const account = fresh('acct')
    await api('PUT', `/v1/sources/${sourceId}/routes/${account}`, { clientId })
    const subscription = planOf('prod_thin', {})
    stripe.objects.set(`${account} /v1/subscriptions/${subscription.id}`, subscription)
    stripe.objects.set(`${account} /v1/products/prod_thin`, { id: 'prod_thin', object: 'product', name: 'Thin' })
    const related = { id: subscription.id, type: 'subscription', url: `/v1/subscriptions/${subscription.id}` }
    await post(sourceId, thinEvent('v1.customer.subscription.created', related, { context: account }))
    expect(await untilRouted(sourceId)).toMatchObject([{ clientId, routing: 'routed' }])
    await eventually(() => arrived().length > 0)
  })

  test('gets thin events of the own account by what Stripe tells of their object', async () => {
    const [sourceId, { clientId, arrived }] = [await newSource(), await newReceivingClient()]
    const subscription = planOf('prod_own', { flo_client: clientId })
    objectAt('/v1/subscriptions', subscription)
    objectAt('/v1/products', { id: 'prod_own', object: 'product', name: 'Own' })
    const related = { id: subscription.id, type: 'subscription', url: `/v1/subscriptions/${subscription.id}` }
    await post(sourceId, thinEvent('v1.customer.subscription.created', related))
    expect(await untilRouted(sourceId)).toMatchObject([{ clientId, of: `subscription ${subscription.id}` }])
    await eventually(() => arrived().length > 0)
  })
})

describe('a backfill of a source that routes', () => {
  const now = () => Math.floor(Date.now() / 1000)
  const backfill = async (sourceId: string, body: object = {}) => {
    const since = new Date(Date.now() - 86_400_000).toISOString()
    const id = await make('/v1/backfills', { sourceId, since, ...body })
    return eventually(async () => {
      const { data } = (await api('GET', `/v1/backfills/${id}`)).body
      return data.state !== 'running' && data
    })
  }

  test('routes what never arrived, and knows what was routed before', async () => {
    const [sourceId, clientId] = [await newSource(), await newClient()]
    stripe.events.length = 0
    const customer = fresh('cus')
    const named = { id: customer, object: 'customer', metadata: { flo_client: clientId } }
    const [first, second] = [
      snapshotEvent('customer.created', named, { created: now() - 60 }),
      snapshotEvent('invoice.paid', invoiceObject([], { customer }), { created: now() - 30 }),
    ]
    stripe.events.push(JSON.parse(first), JSON.parse(second))
    await post(sourceId, first)
    expect(await backfill(sourceId)).toMatchObject({ state: 'completed', counts: { listed: 2, known: 1, new: 1 } })
    expect(await untilRouted(sourceId, 2)).toMatchObject([{ clientId }, { clientId }])
  })

  test('of a connected account routes its events by the account, which they do not name', async () => {
    const [sourceId, clientId] = [await newSource('account'), await newClient()]
    const account = fresh('acct')
    await api('PUT', `/v1/sources/${sourceId}/routes/${account}`, { clientId })
    stripe.events.length = 0
    stripe.events.push(JSON.parse(snapshotEvent('invoice.paid', invoiceObject([]), { created: now() - 30 })))
    expect(await backfill(sourceId, { account })).toMatchObject({ state: 'completed', counts: { listed: 1, new: 1 } })
    expect(await untilRouted(sourceId)).toEqual([{ clientId, routing: 'routed', of: 'account' }])
    const [asked] = stripe.asked.filter(({ path }) => path === '/v1/events').slice(-1)
    expect(asked?.headers['stripe-account']).toBe(account)
  })
})
