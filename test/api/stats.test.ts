import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { endpointsOf, gatewayOnClock } from '../support/endpoint-life.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'

const gateway = await gatewayOnClock()
const { api } = gateway
const { clientId, newEndpoint, become, attempts, delivery } = await endpointsOf(gateway)

const statsOf = async (id: string, query = '') => api('GET', `/v1/endpoints/${id}/stats${query}`)

/** Everything that the lists show of an endpoint, page by page. */
async function logOf(endpointId: string) {
  const deliveries: Json[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await api('GET', `/v1/deliveries?endpointId=${endpointId}&limit=7${cursor && `&cursor=${cursor}`}`)
    deliveries.push(...page.body.data)
    cursor = page.body.meta.nextCursor
  }
  const tried = (await Promise.all(deliveries.map(({ id }) => attempts(id)))).flat()
  return { deliveries, tried }
}
const counted = (values: (string | number)[]) =>
  Object.fromEntries([...Map.groupBy(values, String)].map(([value, list]) => [value, list.length]))
/** The least that so great a share do not exceed. */
const percentile = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length) - 1)]

/** An endpoint with a bit of everything: delivered, failed, timed out, refused, skipped, waiting. */
async function lived() {
  const statuses = [200, 204, 500, 200, null, 429, 200, 201]
  const receiver = await startReceiver((_, count) => {
    const status = statuses[count % 8]
    return status ? { status, delayMs: count % 4 } : { hang: 'headers' }
  })
  const endpoint = await newEndpoint(receiver.url, { retrySchedule: [0], timeoutSeconds: 1, maxInFlight: 5 })
  await endpoint.send(40)
  await eventually(async () => (await statsOf(endpoint.id)).body.data.waiting.total === 0)
  const gone = await startReceiver()
  await gone.stop()
  await endpoint.change({ retrySchedule: [3600], url: gone.url })
  const waiting = await endpoint.test()
  await eventually(async () => (await delivery(waiting)).attempts === 1)
  return { endpoint, waiting }
}

test('stats equal what the lists of deliveries and attempts show', async () => {
  const { endpoint, waiting } = await lived()
  const { deliveries, tried } = await logOf(endpoint.id)
  const { data } = (await statsOf(endpoint.id)).body
  expect(deliveries).toHaveLength(41)
  const byState = counted(deliveries.map(({ state }) => state))
  expect(data.deliveries).toEqual({
    total: 41,
    byState: { pending: 0, delivered: 0, failed: 0, skipped: 0, cancelled: 0, ...byState },
    successRate: (byState.delivered ?? 0) / ((byState.delivered ?? 0) + (byState.failed ?? 0)),
  })
  const answered = tried.filter(({ status }) => status !== null).map(({ durationMs }) => durationMs)
  expect(data.attempts).toEqual({
    total: tried.length,
    byOutcome: counted(tried.map(({ status, error }) => status ?? error)),
    successRate: tried.filter(({ status }) => status >= 200 && status < 300).length / tried.length,
    latencyMs: { p50: percentile(answered, 0.5), p95: percentile(answered, 0.95), p99: percentile(answered, 0.99) },
  })
  expect(Object.keys(data.attempts.byOutcome)).toEqual(expect.arrayContaining(['200', '500', 'timeout', 'connection']))
  expect(data.waiting).toEqual({ total: 1, due: 0, oldestCreatedAt: (await delivery(waiting)).createdAt })
})

test('they are of a window, by when the deliveries were made', async () => {
  const receiver = await startReceiver()
  const endpoint = await newEndpoint(receiver.url)
  await become('delivered', await endpoint.send(3))
  await delay(5)
  const between = new Date()
  await become('delivered', await endpoint.send(2))
  const total = async (query: string) => (await statsOf(endpoint.id, query)).body.data.deliveries.total
  const at = encodeURIComponent(between.toISOString())
  expect([await total(''), await total(`?since=${at}`), await total(`?until=${at}`)]).toEqual([5, 2, 3])
})

test('of an endpoint that has had nothing, all is none', async () => {
  const endpoint = await newEndpoint('https://example.com/hook')
  expect((await statsOf(endpoint.id)).body.data).toMatchObject({
    endpointId: endpoint.id,
    deliveries: { total: 0, successRate: null },
    attempts: { total: 0, byOutcome: {}, successRate: null, latencyMs: null },
    waiting: { total: 0, due: 0, oldestCreatedAt: null },
  })
})

test('a window that is none, or longer than 31 days, is refused with its path; a foreign endpoint is not found', async () => {
  const { id } = await newEndpoint('https://example.com/hook')
  for (const query of [
    '?since=2026-01-01T00:00:00Z&until=2026-01-01T00:00:00Z',
    '?since=2026-01-01T00:00:00Z&until=2026-02-02T00:00:00Z',
    '?since=yesterday',
  ]) {
    const { status, body } = await statsOf(id, query)
    expect([status, body.error.details[0].path], query).toEqual([422, 'since'])
  }
  const other = await endpointsOf(gateway)
  const foreign = await other.newEndpoint('https://example.com/hook')
  expect((await statsOf(foreign.id, `?clientId=${clientId}`)).status).toBe(404)
})
