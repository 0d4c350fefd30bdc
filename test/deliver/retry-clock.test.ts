import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { contracts } from '../../mappings/index.ts'
import { unreachableOutcome } from '../../src/deliver/attempt/network-errors.ts'
import { ProxyTrouble } from '../../src/network/egress-proxy.ts'
import { afterwards } from '../support/afterwards.ts'
import { endpointsOf, gatewayOnClock } from '../support/endpoint-life.ts'
import { eventually } from '../support/eventually.ts'
import { type Behaviour, startReceiver } from '../support/receiver.ts'

const gateway = await gatewayOnClock()
const { db, told } = gateway
const { newEndpoint, delivery, attempts, resend, become } = await endpointsOf(gateway)

/** What docs/contracts promises, in seconds. */
const flo = { steps: [5, 30, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400], jitter: 0.2 }
const SCHEDULES: Record<string, { steps: number[]; jitter: number }> = {
  'flo.v1': flo,
  'florentin.v1': { steps: [30, 120, 300], jitter: 0 },
  'operations.v1': flo,
}

type Endpoint = Awaited<ReturnType<typeof newEndpoint>>

/** Seconds from the end of the latest attempt to the next one, and from now: the step begins in between, with the record. */
async function waitAfter(number: number, id: string): Promise<{ fromEnd: number; fromNow: number }> {
  const { nextAttemptAt } = await eventually(async () => {
    const shown = await delivery(id)
    return shown.attempts === number && shown
  })
  const last = (await attempts(id)).at(-1)
  const next = Date.parse(nextAttemptAt)
  const fromEnd = (next - Date.parse(last.startedAt) - last.durationMs) / 1000
  return { fromEnd, fromNow: (next - Date.now()) / 1000 }
}
function expectStep({ fromEnd, fromNow }: { fromEnd: number; fromNow: number }, step: number) {
  expect(fromEnd).toBeGreaterThanOrEqual(step - 0.01)
  expect(fromNow).toBeLessThanOrEqual(step)
}
/** As if the time had come. */
async function comesDue(endpoint: Endpoint, id: string, change: object = { description: 'Woken' }) {
  await db.query('update deliveries set next_attempt_at = now() where id = $1', [id])
  await endpoint.change(change)
}
async function sentTo(behaviour: Behaviour, fields: object = {}) {
  const receiver = await startReceiver(behaviour)
  const endpoint = await newEndpoint(receiver.url, fields)
  return { receiver, endpoint, id: await endpoint.test() }
}

describe('the schedule', () => {
  test('every contract has the one that it promises', () => {
    const given = Object.values(contracts).map(({ name, retrySchedule: steps, jitter }) => [name, { steps, jitter }])
    expect(Object.fromEntries(given)).toEqual(SCHEDULES)
  })

  test.each(Object.entries(SCHEDULES))('of %s is kept to the end, which is told', async (contract, { steps }) => {
    const { receiver, endpoint, id } = await sentTo({ status: 500 }, { contract })
    for (const [at, step] of steps.entries()) {
      expectStep(await waitAfter(at + 1, id), step)
      expect((await delivery(id)).waitsFor).toMatchObject({ for: 'schedule' })
      // Under another URL, or its breaker would open.
      await comesDue(endpoint, id, { url: `${receiver.url}/${at}` })
      await eventually(() => receiver.requests.length === at + 2)
    }
    await become('failed', [id])
    expect(await delivery(id)).toMatchObject({ attempts: steps.length + 1, nextAttemptAt: null, waitsFor: null })
    expect(await attempts(id)).toHaveLength(steps.length + 1)
    await eventually(() => told.some((change) => change.what === 'exhausted' && change.deliveryId === id))
  })

  test("of an endpoint takes the place of its contract's", async () => {
    const { endpoint, id } = await sentTo({ status: 500 }, { retrySchedule: [7, 77] })
    expectStep(await waitAfter(1, id), 7)
    await comesDue(endpoint, id)
    expectStep(await waitAfter(2, id), 77)
    await endpoint.change({ retrySchedule: [1, 2, 3] })
    await comesDue(endpoint, id)
    expectStep(await waitAfter(3, id), 3)
  })

  test('that is empty is one attempt, whatever Retry-After says', async () => {
    const { id } = await sentTo({ status: 503, headers: { 'retry-after': '1' } }, { retrySchedule: [] })
    await become('failed', [id])
    expect(await delivery(id)).toMatchObject({ attempts: 1, nextAttemptAt: null })
    await eventually(() => told.some((change) => change.what === 'exhausted' && change.deliveryId === id))
  })
})

describe('Retry-After', () => {
  test.each([
    ['seconds later than the step', 429, '120', 120],
    ['seconds, of a 503', 503, '900', 900],
    ['seconds before the step', 429, '1', 60],
    ['a date in the past', 503, 'Sun, 06 Nov 1994 08:49:37 GMT', 60],
    ['more than an hour past the step', 429, '999999', 3660],
    ['a date years ahead', 503, 'Fri, 01 Jan 2100 00:00:00 GMT', 3660],
    ['no number and no date', 429, 'soon', 60],
    ['a negative number', 429, '-5', 60],
    ['a number with an exponent', 429, '1e9', 60],
    ['with another status', 500, '900', 60],
    ['with a redirect', 302, '900', 60],
  ] as const)('%s', async (_, status, value, step) => {
    const { id } = await sentTo({ status, headers: { 'retry-after': value } }, { retrySchedule: [60] })
    expectStep(await waitAfter(1, id), step)
  })

  test('an HTTP date', async () => {
    const before = Date.now()
    const at = new Date(before + 1800_000)
    const { id } = await sentTo({ status: 429, headers: { 'retry-after': at.toUTCString() } }, { retrySchedule: [60] })
    await waitAfter(1, id)
    const { nextAttemptAt } = await delivery(id)
    // A date has whole seconds.
    expect(Date.parse(nextAttemptAt)).toBeGreaterThanOrEqual(at.getTime() - 1000)
    // The wait was counted when the answer came, which was after `before`, and begins with the record, which was before now.
    expect(Date.parse(nextAttemptAt)).toBeLessThanOrEqual(Date.now() + at.getTime() - before)
  })
})

describe('an attempt without an answer is tried again, and named', () => {
  const unlistened = async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await new Promise((resolve) => server.close(resolve))
    return `http://127.0.0.1:${port}/`
  }
  const noHttp = async () => {
    const server = createServer((socket) => socket.on('error', () => {}).end('220 mail ready\r\n'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    afterwards(async () => server.close())
    return `http://127.0.0.1:${(server.address() as { port: number }).port}/`
  }
  const receiving = (behaviour: Behaviour) => async () => (await startReceiver(behaviour)).url
  test.each([
    ['timeout', receiving({ hang: 'headers' })],
    ['connection', unlistened],
    ['connection', receiving({ reset: true })],
    ['connection', noHttp],
    ['tls', async () => (await startReceiver()).url.replace('http:', 'https:')],
    ['dns', async () => 'https://no-such-host.invalid/'],
  ])('%s', async (error, url) => {
    const endpoint = await newEndpoint(await url(), { retrySchedule: [60], timeoutSeconds: 1 })
    const id = await endpoint.test()
    expectStep(await waitAfter(1, id), 60)
    expect(await attempts(id)).toMatchObject([{ status: null, error, errorMessage: expect.stringMatching(/\.|\)$/) }])
  })

  test('blocked: a name that leads inwards by now', async () => {
    const endpoint = await newEndpoint('https://example.com/', { retrySchedule: [60] })
    await db.query(`update endpoints set url = 'https://10.0.0.1/' where id = $1`, [endpoint.id])
    const id = await endpoint.test()
    expectStep(await waitAfter(1, id), 60)
    expect(await attempts(id)).toMatchObject([{ status: null, error: 'blocked' }])
  })

  test('proxy: what the way out did', () => {
    expect(unreachableOutcome(new ProxyTrouble('no tunnel'))).toMatchObject({ reason: 'proxy' })
  })
})

test('a resend is a new delivery with the full schedule, and what waited is cancelled, its timer gone', async () => {
  const { receiver, endpoint, id } = await sentTo({ status: 500 }, { retrySchedule: [3600, 60] })
  await eventually(async () => (await delivery(id)).attempts === 1)
  const again = await resend(id)
  expect(await delivery(id)).toMatchObject({
    state: 'cancelled',
    reason: 'resent',
    nextAttemptAt: null,
    waitsFor: null,
  })
  expectStep(await waitAfter(1, again.id), 3600)
  await comesDue(endpoint, again.id)
  expectStep(await waitAfter(2, again.id), 60)
  receiver.behave({})
  await comesDue(endpoint, again.id)
  await become('delivered', [again.id])
  expect((await delivery(id)).attempts).toBe(1)
  expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([id, again.id, again.id, again.id])
})

test('one that is due and was just read is not sent any more once its resend is answered', async () => {
  const { promise: answered, resolve: letGo } = Promise.withResolvers<void>()
  const receiver = await startReceiver(async (_, count) => {
    if (count === 1) await answered
    return {}
  })
  const endpoint = await newEndpoint(receiver.url, { maxInFlight: 1 })
  const ids = await endpoint.send(10)
  await eventually(() => receiver.requests.length === 1)
  const agains = await Promise.all(ids.slice(5).map((id) => resend(id)))
  letGo()
  await become('delivered', [...ids.slice(0, 5), ...agains.map(({ id }) => id)])
  await become('cancelled', ids.slice(5))
  expect(receiver.requests).toHaveLength(10)
})

test('a test event can be of any type of the contract, whatever the filter says', async () => {
  for (const { name: contract, eventTypes, wireSchemas } of Object.values(contracts)) {
    const receiver = await startReceiver()
    const endpoint = await newEndpoint(receiver.url, { contract, eventTypes: [eventTypes[0]] })
    const ids: string[] = []
    for (const eventType of eventTypes) ids.push(await endpoint.test(eventType))
    await become('delivered', ids)
    const bodies = receiver.requests.map(({ body }) => JSON.parse(body))
    expect(bodies.map(({ eventType, event }) => eventType ?? event).toSorted()).toEqual(eventTypes.toSorted())
    for (const body of bodies) expect(wireSchemas[body.eventType ?? body.event]?.parse(body)).toBeDefined()
  }
})
