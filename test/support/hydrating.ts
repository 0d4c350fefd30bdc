import { expect } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { eventually } from './eventually.ts'
import { startTestGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'
import { API_KEY, startStripeApi } from './stripe-api.ts'
import { layWay } from './way.ts'

/** A gateway whose Stripe is a server of ours; nothing but what is fetched is waited for. */
export async function hydratingGateway(overrides: Record<string, string> = {}) {
  const stripe = await startStripeApi()
  const gateway = await startTestGateway({
    FLO_HOLD_SECONDS: '0',
    // So long that nothing goes on without what it needs because the machine is slow.
    FLO_HYDRATE_SECONDS: '600',
    FLO_STRIPE_API_BASE: stripe.url,
    ...overrides,
  })
  return { gateway, stripe }
}

type Gateway = Pick<Awaited<ReturnType<typeof startTestGateway>>, 'api' | 'url'>

/** A client of its own with a source (with an API key unless told otherwise) and an endpoint. */
export async function hydratedWay(gateway: Gateway, { apiKey = API_KEY }: { apiKey?: string | null } = {}) {
  const receiver = await startReceiver()
  const way = await layWay(gateway.api, receiver.url)
  const changeSource = async (change: object) =>
    (await gateway.api('PATCH', `/v1/sources/${way.sourceId}`, change)).body.data
  if (apiKey) await changeSource({ apiKey })
  // Newest first, which shows all there is; an ascending list ends before what was stored a moment ago.
  const sourceEvents = async (): Promise<Json[]> =>
    (await gateway.api('GET', `/v1/source-events?clientId=${way.clientId}`)).body.data.toReversed()
  return {
    ...way,
    changeSource,
    sourceEvents,
    source: async () => (await gateway.api('GET', `/v1/sources/${way.sourceId}`)).body.data,
    async send(body: string) {
      expect((await way.post(gateway.url, body)).status).toBe(200)
    },
    /** Flo events as they arrived, of one type or all. */
    arrived: (eventType?: string): Json[] =>
      receiver.requests
        .map(({ body }) => JSON.parse(body))
        .filter((event) => eventType === undefined || event.eventType === eventType),
    /** Waits until no source event is on its way any more, and answers what became of each. */
    async settled() {
      await eventually(async () =>
        (await sourceEvents()).every(({ state }) => state !== 'received' && state !== 'held'),
      )
      await eventually(async () => (await way.deliveries()).every(({ state }) => state === 'delivered'))
      return (await sourceEvents()).map(({ state, reason }) => [state, reason?.code ?? null])
    },
  }
}
