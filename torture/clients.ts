import type { Json } from '../src/domain/json.ts'
import { present } from '../test/support/present.ts'
import { pathOfClient } from './names.ts'
import type { Receiver } from './receiver.ts'

/** One whose events Stripe sends, with an endpoint at every receiver. */
export interface TorturedClient {
  /** From 0: see names.ts. */
  number: number
  id: string
  /** Its own, or the one that routes. */
  sourceId: string
  /** What names it in the metadata of its events, where its source is the one that routes. */
  routedBy: string | null
}

export const SIGNING_SECRET = 'whsec_torture'

/** Soon again and for a long time: no fault here lasts as long. */
const RETRIES = [1, 1, 2, 2, 5, 5, 5, 10, 10, 10, 30, 30]
/** One in so many is behind the source that routes. */
const ROUTED_EVERY = 5
const AT_ONCE = 10

interface Layout {
  api(method: string, path: string, body?: unknown): Promise<Json>
  count: number
  endpoints: readonly { receiver: Receiver; timeoutSeconds: number }[]
}

/** Makes the clients: most with a source of their own, every fifth behind one that routes by metadata. */
export async function makeClients({ api, count, endpoints }: Layout): Promise<TorturedClient[]> {
  const stripe = { kind: 'stripe', signingSecrets: [SIGNING_SECRET] }
  const isRouted = (number: number) => number % ROUTED_EVERY === ROUTED_EVERY - 1
  const shared =
    count >= ROUTED_EVERY ? await api('POST', '/v1/sources', { ...stripe, routing: { by: 'metadata' } }) : null
  const makeClient = async (number: number): Promise<TorturedClient> => {
    const routedBy = isRouted(number) ? `tenant_${number}` : null
    const { id } = await api('POST', '/v1/clients', {
      name: `Tortured ${number}`,
      ...(routedBy !== null && { externalId: routedBy }),
    })
    const source = routedBy === null ? await api('POST', '/v1/sources', { ...stripe, clientId: id }) : present(shared)
    for (const { receiver, timeoutSeconds } of endpoints) {
      const url = `${receiver.url}${pathOfClient(number)}`
      await api('POST', '/v1/endpoints', { clientId: id, url, retrySchedule: RETRIES, timeoutSeconds })
    }
    return { number, id, sourceId: source.id, routedBy }
  }
  const clients: TorturedClient[] = []
  while (clients.length < count) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, count - clients.length) }, (_, at) => clients.length + at)
    clients.push(...(await Promise.all(numbers.map(makeClient))))
  }
  return clients
}
