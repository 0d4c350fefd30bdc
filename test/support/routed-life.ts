import { OPERATOR_CLIENT } from '../../src/domain/ids.ts'
import { looked } from './erasing.ts'
import { eventually } from './eventually.ts'
import type { startTestGateway } from './gateway.ts'
import { SECRET, stripeSignature } from './receiving.ts'
import { routedEvent } from './routed-source.ts'
import type { startStripeApi } from './stripe-api.ts'
import { API_KEY } from './stripe-api.ts'

type Gateway = Awaited<ReturnType<typeof startTestGateway>>

/** A source that routes, and two clients of it, through all that can become of its events; both are deleted in the end. */
export async function liveRouted(gateway: Gateway, stripe: Awaited<ReturnType<typeof startStripeApi>>): Promise<void> {
  const { api, db } = gateway
  const make = async (path: string, body: object): Promise<string> => (await api('POST', path, body)).body.data.id
  const clientId = await make('/v1/clients', { name: 'Routed', externalId: 'routed' })
  const gone = await make('/v1/clients', { name: 'Routed and gone' })
  const sourceId = await make('/v1/sources', {
    signingSecrets: [SECRET],
    routing: { by: ['account', 'metadata'] },
    apiKey: API_KEY,
  })
  const post = async (event: object) => {
    const body = JSON.stringify(event)
    const headers = { 'content-type': 'application/json', 'stripe-signature': stripeSignature(body) }
    await fetch(`${gateway.url}/webhooks/stripe/${sourceId}`, { method: 'POST', headers, body })
  }
  const customer = (id: string, name: string) =>
    routedEvent('customer.updated', { id, object: 'customer', metadata: { flo_client: name } })
  const charge = (id: string, customerId: string) =>
    routedEvent('charge.succeeded', { id, object: 'charge', customer: customerId })
  const readRoutings = async () =>
    (
      await db.query<{ eventId: string; state: string }>(
        'select event_id as "eventId", state from routings where client_id = $1 and source_id = $2',
        [OPERATOR_CLIENT, sourceId],
      )
    ).rows
  const untilAll = (states: readonly string[]) =>
    eventually(async () => {
      const found = await readRoutings()
      return found.length > 0 && found.every(({ state }) => states.includes(state))
    })

  stripe.objects.set('/v1/customers/cus_life_asked', {
    ...{ id: 'cus_life_asked', object: 'customer', metadata: { flo_client: 'routed' } },
  })
  await api('PUT', `/v1/sources/${sourceId}/routes/acct_life`, { clientId: gone })
  await post(routedEvent('product.created', { id: 'prod_life', object: 'product' }))
  await post(charge('ch_life_1', 'cus_life'))
  await post(customer('cus_life', 'routed'))
  await post(charge('ch_life_2', 'cus_life_asked'))
  await post({ ...charge('ch_life_3', 'cus_life'), account: 'acct_life' })
  await post(
    routedEvent('customer.subscription.created', { id: 'sub_life', object: 'subscription', customer: 'cus_life' }),
  )
  await post(customer('cus_life_later', 'later'))
  await untilAll(['routed', 'shared', 'unrouted'])
  await api('POST', '/v1/source-events/renormalize', { sourceId, state: 'unrouted' })
  await api('PUT', `/v1/sources/${sourceId}/routes/later`, { clientId })
  await untilAll(['routed', 'shared'])
  for (const { eventId } of await readRoutings()) await api('GET', `/v1/source-events?eventId=${eventId}`)
  for (const path of [`/v1/clients/${gone}`, `/v1/sources/${sourceId}`]) {
    const { body } = await api('DELETE', path)
    await looked(db, body.data.id)
  }
}
