import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { fixture } from '../support/fixtures.ts'
import { startTestGateway } from '../support/gateway.ts'
import { type SeenSpan, startOtlp } from '../support/otlp.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { layWay } from '../support/way.ts'

const otlp = await startOtlp()
const FLO_OTLP_ENDPOINT = otlp.url
const working = await startTestGateway({ FLO_OTLP_ENDPOINT, FLO_ROLES: 'work', FLO_HOLD_SECONDS: '0' })
const gateway = await startTestGateway({
  OTEL_EXPORTER_OTLP_ENDPOINT: `${otlp.url}/`,
  OTEL_SERVICE_NAME: 'front',
  FLO_ROLES: 'receive,api',
  DATABASE_URL: working.databaseUrl,
})
const receiver = await startReceiver()
const way = await layWay(gateway.api, receiver.url)
await gateway.api('PATCH', `/v1/endpoints/${way.endpointId}`, { retrySchedule: [0, 0] })

/** Sends a Stripe event and answers the trace that it must have. */
async function sent(body: string): Promise<string> {
  await way.post(gateway.url, body)
  const eventId = JSON.parse(body).id
  const found = await gateway.api('GET', `/v1/source-events?clientId=${way.clientId}&eventId=${eventId}`)
  return found.body.data[0].id.replaceAll('-', '')
}
const only = (spans: SeenSpan[], name: string) => {
  const found = spans.filter((span) => span.name === name)
  expect(found, name).toHaveLength(1)
  return present(found[0])
}

test('an event is one connected trace from its receipt to the last attempt, through two processes', async () => {
  receiver.behave((_, count) => ({ status: count === 1 ? 503 : 200 }))
  const traceId = await sent(subscriptionCreated())
  const spans = await eventually(() => {
    const seen = otlp.of(traceId).filter(({ attributes }) => attributes['flo.contract'] !== 'florentin.v1')
    return seen.length >= 5 && seen
  })
  const receive = only(spans, 'receive')
  const normalize = only(spans, 'normalize')
  const fanOut = only(spans, 'fan out')
  expect(receive).toMatchObject({ kind: 2, parentSpanId: undefined, service: 'front' })
  expect(normalize).toMatchObject({ kind: 1, parentSpanId: receive.spanId, service: 'flo-gateway' })
  expect(fanOut).toMatchObject({ kind: 4, parentSpanId: normalize.spanId })
  const attempts = spans
    .filter(({ name }) => name === 'attempt')
    .sort((a, b) => Number(a.attributes['flo.attempt']) - Number(b.attributes['flo.attempt']))
  expect(attempts).toMatchObject([
    { kind: 3, parentSpanId: fanOut.spanId, status: { code: 2, message: 'refused' } },
    { kind: 3, parentSpanId: fanOut.spanId, status: { code: 0 } },
  ])
  expect(attempts.map(({ attributes }) => attributes['http.response.status_code'])).toEqual([503, 200])
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(5)
  for (const { startedAt, endedAt } of spans) expect(startedAt).toBeLessThanOrEqual(endedAt)
  expect(receive.startedAt).toBeLessThanOrEqual(normalize.startedAt)
  expect(normalize.startedAt).toBeLessThanOrEqual(fanOut.startedAt)
  expect(fanOut.startedAt).toBeLessThanOrEqual(present(attempts[0]).startedAt)
})

test('the spans name what the API knows: source event, event, endpoint and delivery', async () => {
  const traceId = await sent(subscriptionCreated())
  const spans = await eventually(() => {
    const seen = otlp.of(traceId)
    return seen.some(({ name }) => name === 'attempt') && seen
  })
  const { attributes } = only(spans, 'attempt')
  const { body } = await gateway.api('GET', `/v1/deliveries/${attributes['flo.delivery.id']}`)
  expect(body.data).toMatchObject({ endpointId: way.endpointId, state: 'delivered' })
  expect(attributes).toMatchObject({
    'flo.client.id': way.clientId,
    'flo.endpoint.id': way.endpointId,
    'flo.event.id': body.data.eventId,
    'flo.event.type': 'subscription.created',
    'flo.contract': 'flo.v1',
    'flo.outcome': 'delivered',
  })
  expect(only(spans, 'receive').attributes).toMatchObject({ 'flo.source.id': way.sourceId, 'flo.via': 'stripe' })
  expect(JSON.stringify(spans, (_, value) => (typeof value === 'bigint' ? Number(value) : value))).not.toContain(
    way.secret,
  )
})

test('a resend goes on in the trace of its event, a test event is a trace of its own', async () => {
  const traceId = await sent(subscriptionCreated())
  const delivery = await eventually(async () => (await way.deliveries()).find(({ state }) => state === 'delivered'))
  const again = await gateway.api('POST', `/v1/deliveries/${delivery.id}/resend`)
  const example = await gateway.api('POST', `/v1/endpoints/${way.endpointId}/test`)
  const of = (id: string) => otlp.spans().find(({ attributes }) => attributes['flo.delivery.id'] === id)
  const resent = await eventually(() => of(again.body.data.id))
  expect(resent.parentSpanId).toBe(present(of(delivery.id)).parentSpanId)
  expect(resent.traceId).toBe(present(of(delivery.id)).traceId)
  expect(traceId).toMatch(/^[0-9a-f]{32}$/)
  const alone = await eventually(() => of(example.body.data.id))
  expect(alone.parentSpanId).toBeUndefined()
  expect(otlp.of(alone.traceId)).toHaveLength(1)
})

test('what cannot be mapped ends in a span with the reason', async () => {
  const [event] = fixture('invoice-unknown-status-2023')
  const traceId = await sent(JSON.stringify(event))
  const spans = await eventually(() => {
    const seen = otlp.of(traceId)
    return seen.length === 2 && seen
  })
  const normalize = only(spans, 'normalize')
  expect(normalize.attributes).toMatchObject({ 'flo.state': 'failed', 'flo.reason': 'unmapped_value' })
  expect(normalize.status).toMatchObject({ code: 2, message: expect.stringContaining('status') })
})

test('a receiver of traces that is away costs no event, and no process its end', async () => {
  const away = await startReceiver()
  await away.stop()
  const lone = await startTestGateway({ FLO_OTLP_ENDPOINT: away.url, LOG_LEVEL: 'silent' })
  const theirs = await layWay(lone.api, receiver.url)
  await theirs.post(lone.url, subscriptionCreated())
  await eventually(async () => (await theirs.deliveries())[0]?.state === 'delivered')
  await lone.stop()
})

test('of no share of the events no trace is sent', async () => {
  const quiet = await startOtlp()
  const lone = await startTestGateway({ FLO_OTLP_ENDPOINT: quiet.url, OTEL_TRACES_SAMPLER_ARG: '0' })
  const theirs = await layWay(lone.api, receiver.url)
  await theirs.post(lone.url, subscriptionCreated())
  await eventually(async () => (await theirs.deliveries())[0]?.state === 'delivered')
  await lone.stop()
  expect(quiet.requests).toEqual([])
})

test('nothing of OpenTelemetry is loaded by a gateway that makes no traces', () => {
  const src = fileURLToPath(new URL('../../src', import.meta.url))
  const naming = (what: RegExp) =>
    globSync('**/*.ts', { cwd: src }).filter((file) => what.test(readFileSync(`${src}/${file}`, 'utf8')))
  expect(naming(/from '@opentelemetry\//).every((file) => file.startsWith('traces/'))).toBe(true)
  expect(naming(/from '[./]*\/traces\//).filter((file) => !file.startsWith('traces/'))).toEqual([])
  expect(naming(/await import\('\.\/traces\/traces\.ts'\)/)).toEqual(['observe.ts'])
})
