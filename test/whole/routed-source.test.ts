import { expect, test } from 'vitest'
import { OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { fresh, invoiceObject, itemLine, snapshotEvent } from '../support/events.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { signed } from '../support/stripe.ts'

// An operator at work with a source that routes: whatever is said later is heeded at once, and what waited is delivered.

const SECRET = 'whsec_of_the_platform'
const gateway = await startTestGateway({ FLO_HOLD_SECONDS: '0', FLO_HYDRATE_SECONDS: '0' })

async function ask(method: string, path: string, body?: unknown): Promise<Json> {
  const reply = await gateway.api(method, path, body)
  expect(reply.status, `${method} ${path}: ${JSON.stringify(reply.body)}`).toBeLessThan(300)
  return reply.body?.data
}
const newSource = async (routing: object): Promise<string> =>
  (await ask('POST', '/v1/sources', { signingSecrets: [SECRET], routing })).id

/** A client with an endpoint; `heard` are the types that came to it. */
async function newClient(fields: object = {}) {
  const receiver = await startReceiver()
  const { id } = await ask('POST', '/v1/clients', { name: 'Acme', ...fields })
  await ask('POST', '/v1/endpoints', { clientId: id, url: receiver.url, contract: 'flo.v1' })
  const heard = (): string[] => receiver.requests.map(({ body }) => JSON.parse(body).eventType)
  return { id: id as string, heard }
}

async function post(source: string, body: string): Promise<Json> {
  const response = await fetch(`${gateway.url}/webhooks/stripe/${source}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'stripe-signature': signed(body, SECRET) },
    body,
  })
  expect(response.status).toBe(200)
  return response.json()
}
const paidInvoice = (floClient: string | null, extra: object = {}, fields: object = {}) =>
  snapshotEvent(
    'invoice.paid',
    invoiceObject([itemLine()], { metadata: floClient === null ? {} : { flo_client: floClient }, ...fields }),
    extra,
  )
const find = async (body: string): Promise<Json> =>
  (await ask('GET', `/v1/source-events?eventId=${JSON.parse(body).id}`))[0]

/** Sends it, and waits until it is nobody's. */
async function sendUnrouted(source: string, body: string): Promise<Json> {
  await post(source, body)
  return eventually(async () => {
    const one = await find(body)
    return one?.state === 'unrouted' && one
  })
}
async function expectDelivered(body: string, client: Awaited<ReturnType<typeof newClient>>, before: Json) {
  const after = await eventually(async () => {
    const one = await find(body)
    return one?.state === 'normalized' && one
  })
  expect(after).toMatchObject({ id: before.id, receivedAt: before.receivedAt, clientId: client.id, reason: null })
  expect(after.routedBy).not.toBeNull()
  await eventually(() => client.heard().includes('invoice.paid'))
}

test('an account gets its route late: what it sent is delivered, and a duplicate of it is one', async () => {
  const [source, client] = [await newSource({ by: 'account' }), await newClient()]
  const body = paidInvoice(null, { account: 'acct_1' })
  const before = await sendUnrouted(source, body)
  expect(before.reason.code).toBe('route_unknown')
  await ask('PUT', `/v1/sources/${source}/routes/acct_1`, { clientId: client.id })
  await expectDelivered(body, client, before)
  expect(await post(source, body)).toEqual({ received: true, duplicate: true })
})

test('a client gets its external id late, when it is made or when it is changed', async () => {
  const source = await newSource({ by: 'metadata' })
  const [made, changed] = [paidInvoice('tenant_made'), paidInvoice('tenant_changed')]
  const [beforeMade, beforeChanged] = [await sendUnrouted(source, made), await sendUnrouted(source, changed)]
  await expectDelivered(made, await newClient({ externalId: 'tenant_made' }), beforeMade)
  const client = await newClient()
  await ask('PATCH', `/v1/clients/${client.id}`, { externalId: 'tenant_changed' })
  await expectDelivered(changed, client, beforeChanged)
})

test('two answers that differ end with a route by which they do not', async () => {
  const source = await newSource({ by: 'metadata' })
  const [one, other] = [await newClient({ externalId: 'tenant_one' }), await newClient({ externalId: 'tenant_other' })]
  const customer = { id: fresh('cus'), object: 'customer', metadata: { flo_client: 'tenant_other' } }
  const body = paidInvoice('tenant_one', {}, { customer })
  const before = await sendUnrouted(source, body)
  expect(before.reason.code).toBe('route_conflict')
  await ask('PUT', `/v1/sources/${source}/routes/tenant_other`, { clientId: one.id })
  await expectDelivered(body, one, before)
  expect(other.heard()).toEqual([])
})

test('a source that is told to route by metadata too looks again at what it had no way to tell', async () => {
  const [source, client] = [await newSource({ by: 'account' }), await newClient({ externalId: 'tenant_late' })]
  const body = paidInvoice('tenant_late')
  const before = await sendUnrouted(source, body)
  await ask('PATCH', `/v1/sources/${source}`, { routing: { by: ['account', 'metadata'] } })
  await expectDelivered(body, client, before)
})

test('one that nothing has told of is routed by a later event of its customer, and by nothing before', async () => {
  const [source, client] = [await newSource({ by: 'metadata' }), await newClient({ externalId: 'tenant_customer' })]
  const customer = fresh('cus')
  const body = paidInvoice(null, {}, { customer })
  const before = await sendUnrouted(source, body)
  expect(before.reason.code).toBe('route_missing')
  const again = await ask('POST', `/v1/source-events/${before.id}/renormalize`)
  expect(again).toMatchObject({ id: before.id, clientId: null, state: 'held' })
  await eventually(async () => (await find(body)).state === 'unrouted')
  await post(
    source,
    snapshotEvent('customer.updated', {
      ...{ id: customer, object: 'customer', metadata: { flo_client: 'tenant_customer' } },
    }),
  )
  await expectDelivered(body, client, before)
  expect((await find(body)).routedBy).toEqual({
    ...{ by: 'object', value: 'tenant_customer' },
    of: `customer ${customer}`,
  })
})

test('all unrouted events are looked at again at once', async () => {
  const source = await newSource({ by: 'metadata' })
  const bodies = [paidInvoice(null, {}, { customer: fresh('cus') }), paidInvoice(null, {}, { customer: fresh('cus') })]
  for (const body of bodies) await sendUnrouted(source, body)
  const { count } = await ask('POST', '/v1/source-events/renormalize', { sourceId: source, state: 'unrouted' })
  expect(count).toBe(2)
  for (const body of bodies) await eventually(async () => (await find(body)).state === 'unrouted')
})

test('a deleted client loses its routes: what comes for it later is nobody’s', async () => {
  const [source, client] = [await newSource({ by: 'account' }), await newClient()]
  await ask('PUT', `/v1/sources/${source}/routes/acct_leaving`, { clientId: client.id })
  const first = paidInvoice(null, { account: 'acct_leaving' })
  await post(source, first)
  await eventually(() => client.heard().includes('invoice.paid'))
  await ask('DELETE', `/v1/clients/${client.id}`)
  const later = await sendUnrouted(source, paidInvoice(null, { account: 'acct_leaving' }))
  expect(later).toMatchObject({ clientId: null, reason: { code: 'route_unknown' } })
  expect(await ask('GET', `/v1/source-events?sourceId=${source}&clientId=${OPERATOR_CLIENT}`)).toHaveLength(1)
  await eventually(async () => (await ask('GET', `/v1/sources/${source}/routes`)).length === 0)
})

test('a source that routes is deleted with all that it gave to clients', async () => {
  const [source, client] = [await newSource({ by: 'metadata' }), await newClient({ externalId: 'tenant_deleted' })]
  const body = paidInvoice('tenant_deleted')
  await post(source, body)
  await eventually(() => client.heard().includes('invoice.paid'))
  const preview = await ask('DELETE', `/v1/sources/${source}?dryRun=true`)
  expect(preview).toMatchObject({ dryRun: true, clientId: null, subjectId: source })
  expect(await ask('DELETE', `/v1/sources/${source}`)).toMatchObject({ clientId: null, subjectId: source })
  // Client by client, as the source may have given events to thousands.
  await eventually(async () => (await find(body)) === undefined)
  await eventually(async () => (await ask('GET', `/v1/events?clientId=${client.id}`)).length === 0)
})
