import type { EndpointChange } from '../../src/watch.ts'
import { newDeliveries } from './delivering.ts'
import { eventually } from './eventually.ts'
import { startTestGateway } from './gateway.ts'

const HOUR_MS = 3_600_000

/**
 * A clock that can be set forward, and otherwise runs as the machine's does. One that is `stopped` only moves when it is set;
 * it stands an hour ahead, so that what the database takes for due is due.
 */
export function handedClock({ stopped = false } = {}) {
  let ahead = 0
  const begin = Date.now() + HOUR_MS
  return {
    now: () => new Date((stopped ? begin : Date.now()) + ahead),
    forward({ days = 0, hours = 0, seconds = 0 }) {
      ahead += ((days * 24 + hours) * 3600 + seconds) * 1000
    },
  }
}

/** A whole gateway on a clock of the test's, and what it said of its endpoints. */
export async function gatewayOnClock({ now } = handedClock(), overrides: Record<string, string> = {}) {
  const told: EndpointChange[] = []
  const gateway = await startTestGateway(
    { LOG_LEVEL: 'error', ...overrides },
    { now, clock: { now, learn() {} }, random: () => 0, watch: { onEndpointChanged: (change) => told.push(change) } },
  )
  return { ...gateway, told }
}
type Gateway = Pick<Awaited<ReturnType<typeof startTestGateway>>, 'api' | 'db'>

/** A client whose endpoints are made and looked at over the API. */
export async function endpointsOf({ api, db }: Gateway) {
  const asked = async (method: string, path: string, body?: unknown) => {
    const reply = await api(method, path, body)
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
    return reply.body?.data
  }
  const clientId: string = (await asked('POST', '/v1/clients', { name: 'Acme' })).id

  const newEndpoint = async (url: string, fields: object = {}) => {
    const id: string = (await asked('POST', '/v1/endpoints', { clientId, url, contract: 'flo.v1', ...fields })).id
    /** A test event; wakes whoever has the endpoint. Answers its delivery's id. */
    const test = async (eventType?: string): Promise<string> =>
      (await asked('POST', `/v1/endpoints/${id}/test`, { eventType })).id
    return {
      id,
      test,
      /** So many deliveries, as the fan-out and one test event leave them. */
      async send(count: number): Promise<string[]> {
        const ids = count > 1 ? await newDeliveries(db, clientId, [id], { count: count - 1 }) : []
        return [...ids, await test()]
      },
      shown: () => asked('GET', `/v1/endpoints/${id}`),
      change: (fields: object) => asked('PATCH', `/v1/endpoints/${id}`, fields),
      post: (action: string) => asked('POST', `/v1/endpoints/${id}/${action}`),
      remove: () => asked('DELETE', `/v1/endpoints/${id}`),
    }
  }
  const delivery = (id: string) => asked('GET', `/v1/deliveries/${id}`)
  return {
    clientId,
    newEndpoint,
    delivery,
    deliveries: (ids: string[]) => Promise.all(ids.map(delivery)),
    attempts: (id: string) => asked('GET', `/v1/deliveries/${id}/attempts?order=asc`),
    resend: (id: string) => asked('POST', `/v1/deliveries/${id}/resend`),
    /** Waits until all of these are in this state. */
    become: (state: string, ids: string[]) =>
      eventually(
        async () => {
          const { rows } = await db.query(
            'select count(*) from deliveries where client_id = $1 and state = $2 and id = any($3)',
            [clientId, state, ids],
          )
          return rows[0].count === ids.length
        },
        { timeoutMs: 100_000, everyMs: ids.length > 1000 ? 300 : 20 },
      ),
  }
}
