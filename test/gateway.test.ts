import Stripe from 'stripe'
import { expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { startTestGateway } from './support/gateway.ts'
import { startReceiver } from './support/receiver.ts'
import { signed } from './support/stripe.ts'
import { subscriptionCreated } from './support/subscription.ts'

const WHSEC = 'whsec_of_the_source'

/** A client with one source and one endpoint at `url`, made over the API. */
async function newClient({ api }: Pick<Awaited<ReturnType<typeof startTestGateway>>, 'api'>, url: string) {
  const clientId = (await api('POST', '/v1/clients', { name: 'Acme' })).body.data.id
  const source = await api('POST', '/v1/sources', { clientId, kind: 'stripe', signingSecrets: [WHSEC] })
  const endpoint = await api('POST', '/v1/endpoints', { clientId, url, contract: 'flo.v1' })
  expect([source.status, endpoint.status]).toEqual([201, 201])
  return { clientId, webhookUrl: source.body.data.webhookUrl, secret: endpoint.body.data.secret }
}

const post = async (webhookUrl: string, body: string) => {
  const response = await fetch(webhookUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'stripe-signature': signed(body, WHSEC) },
    body,
  })
  return { status: response.status, body: await response.json() }
}

test('a signed Stripe event goes in and a signed Flo event comes out', async () => {
  const [gateway, receiver] = [await startTestGateway(), await startReceiver()]
  const { webhookUrl, secret } = await newClient(gateway, receiver.url)

  const answer = await post(webhookUrl, subscriptionCreated())
  expect(answer).toEqual({ status: 200, body: { received: true, duplicate: false } })
  const [delivery] = await eventually(() => receiver.requests.length > 0 && receiver.requests)

  const event = Stripe.webhooks.constructEvent(delivery!.bytes, delivery!.headers['flo-signature']!, secret)
  expect(event).toMatchObject({ eventType: 'subscription.created', objectType: 'subscription' })
})
