import type { Json } from '../../src/domain/json.ts'
import { signed } from './stripe.ts'

export const WHSEC = 'whsec_of_the_source'

type Api = (method: string, path: string, body?: unknown) => Promise<{ status: number; body: Json }>

/** The whole way of an event, laid over the API: a client, its source, and an endpoint at `url`. */
export async function layWay(api: Api, url: string) {
  const made = async (path: string, body: unknown) => {
    const reply = await api('POST', path, body)
    if (reply.status !== 201) throw new Error(`${path} answered ${reply.status}: ${JSON.stringify(reply.body)}`)
    return reply.body.data
  }
  const { id: clientId } = await made('/v1/clients', { name: 'Acme' })
  const source = await made('/v1/sources', { clientId, kind: 'stripe', signingSecrets: [WHSEC] })
  const endpoint = await made('/v1/endpoints', { clientId, url, contract: 'flo.v1' })
  return {
    clientId: clientId as string,
    sourceId: source.id as string,
    endpointId: endpoint.id as string,
    secret: endpoint.secret as string,
    /** Sends a Stripe event, signed, to this gateway or another one. */
    async post(gatewayUrl: string, body: string) {
      const response = await fetch(`${gatewayUrl}/webhooks/stripe/${source.id}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'stripe-signature': signed(body, WHSEC) },
        body,
      })
      return { status: response.status, body: (await response.json()) as Json }
    },
    /** The deliveries of this client, newest first. */
    async deliveries() {
      return (await api('GET', `/v1/deliveries?clientId=${clientId}`)).body.data as Json[]
    },
  }
}
