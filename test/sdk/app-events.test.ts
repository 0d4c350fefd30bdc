import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { type AppEvent, type AppEventsOptions, appEvents, GatewayError } from '../../sdk/src/app-events.ts'
import { florentinWebhook } from '../../sdk/src/express.ts'
import type { Delivery, FlorentinEvent } from '../../sdk/src/index.ts'
import { appEvents as schemas } from '../../src/domain/app-events.ts'
import { afterwards } from '../support/afterwards.ts'
import { appData } from '../support/app-events.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { type Behaviour, startReceiver } from '../support/receiver.ts'

const loginEvent = (fields: object = {}): AppEvent => ({
  type: 'user.login',
  clientUserId: 'user_123',
  data: { at: '2026-06-06T12:00:00.000Z', ip: null, user_agent: null },
  ...fields,
})
const memberEvents = (count: number): AppEvent[] =>
  Array.from({ length: count }, (_, n) => ({
    type: 'team_member.added',
    clientUserId: `user_${n % 7}`,
    data: { id: `member_${n}`, email: 'grace@example.com', role: 'admin' },
  }))

/** What a promise was rejected with. */
const errorOf = async (promise: Promise<unknown>): Promise<GatewayError> => {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(GatewayError)
  return error as GatewayError
}

/** A gateway with one client, and the SDK with a key of it. */
async function startPublishing() {
  const gateway = await startTestGateway()
  const { id: clientId } = (await gateway.api('POST', '/v1/clients', { name: 'Acme' })).body.data
  const made = await gateway.api('POST', '/v1/api-keys', { clientId, scopes: ['read', 'write'] })
  const apiKey: string = made.body.data.key
  return {
    gateway,
    clientId: clientId as string,
    ...appEvents({ baseUrl: `${gateway.url}/`, apiKey }),
    apiKey,
    count: async () =>
      Number((await gateway.db.query('select count(*) as n from source_events where source_id = client_id')).rows[0].n),
  }
}
const own = await startPublishing()

test('every type is taken in, with the source event as the answer', async () => {
  const { publish, clientId } = own
  for (const type of Object.keys(schemas) as AppEvent['type'][]) {
    const occurredAt = new Date('2026-01-02T03:04:05.678Z')
    const event = { type, clientUserId: 'user_123', data: appData[type], occurredAt } as unknown as AppEvent
    expect(await publish(event)).toMatchObject({
      clientId,
      type,
      origin: 'app',
      state: 'received',
      createdAt: '2026-01-02T03:04:05.678Z',
    })
  }
})

test('a key publishes an event once, however often it is called', async () => {
  const { publish, publishAll, count } = own
  const once = { idempotencyKey: randomUUID() }
  const before = await count()
  const both = [await publish(loginEvent(), once), await publish(loginEvent(), once)]
  expect(both[1]).toEqual(both[0])
  const all = [await publishAll(memberEvents(3), once), await publishAll(memberEvents(3), once)]
  expect(all[1]).toEqual(all[0])
  expect(await count()).toBe(before + 4)
  await publish(loginEvent())
  await publish(loginEvent())
  expect(await count()).toBe(before + 6)
})

test('any number of events is published in their order, a thousand at a time', async () => {
  const { publishAll, count } = own
  const before = await count()
  const sourceEvents = await publishAll(memberEvents(2100))
  expect(new Set(sourceEvents.map(({ id }) => id)).size).toBe(2100)
  expect(await count()).toBe(before + 2100)
  expect(await publishAll([])).toEqual([])
})

test('what is too much for one request in bytes is published in several', async () => {
  const { publishAll, count } = own
  const before = await count()
  const user_agent = '€'.repeat(4000)
  const events = Array.from({ length: 1000 }, () =>
    loginEvent({ data: { at: '2026-06-06T12:00:00Z', ip: null, user_agent } }),
  )
  expect(await publishAll(events)).toHaveLength(1000)
  expect(await count()).toBe(before + 1000)
})

test('a refusal is an error with its code, its paths and the id of the request; what came before it is there', async () => {
  const { publish, publishAll, count } = own
  const wrong = loginEvent({ data: { at: '2026-06-06T12:00:00.000Z', ip: null } })
  const refused = await errorOf(publish(wrong))
  expect(refused).toMatchObject({ status: 422, code: 'invalid', requestId: expect.any(String), accepted: 0 })
  expect(refused.details).toEqual([{ path: 'data.user_agent', code: 'required', message: 'is required' }])
  expect(refused.message).toContain('\ndata.user_agent is required')

  const before = await count()
  const key = { idempotencyKey: randomUUID() }
  const halted = await errorOf(publishAll([...memberEvents(1002), wrong], key))
  expect(halted).toMatchObject({ status: 422, accepted: 1000 })
  expect(halted.details.map(({ path }) => path)).toEqual(['events.1002.data.user_agent'])
  expect(halted.message).toContain('events.1002.data.user_agent is required')
  expect(await count()).toBe(before + 1000)
  expect(await publishAll([...memberEvents(1002), loginEvent()], key)).toHaveLength(1003)
  expect(await count()).toBe(before + 1003)
})

test('an operator says whose the events are', async () => {
  const { gateway, clientId } = own
  const asked = { baseUrl: gateway.url, apiKey: gateway.adminKey }
  expect(await errorOf(appEvents(asked).publish(loginEvent()))).toMatchObject({ details: [{ path: 'clientId' }] })
  const operator = appEvents({ ...asked, clientId })
  expect(await operator.publish(loginEvent())).toMatchObject({ clientId })
  expect(await operator.publishAll(memberEvents(2))).toMatchObject([{ clientId }, { clientId }])
})

test('a wrong key is an error, and no key is one at once', async () => {
  const { gateway } = own
  const { publish } = appEvents({ baseUrl: gateway.url, apiKey: 'flo_sk_1_2' })
  expect(await errorOf(publish(loginEvent()))).toMatchObject({ status: 401, code: 'unauthorized' })
  expect(() => appEvents({ baseUrl: gateway.url, apiKey: undefined })).toThrow('environment variable')
})

test('what is published arrives at a Florentin endpoint, verified and typed', async () => {
  const { gateway, clientId, publish } = own
  const seen: Delivery<FlorentinEvent>[] = []
  const refused: unknown[] = []
  let secret: string | undefined
  const server = createServer((request, response) =>
    florentinWebhook({
      secret,
      handler: (_, delivery) => seen.push(delivery),
      onError: (error) => refused.push(error),
    })(request, response),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const endpoint = await gateway.api('POST', '/v1/endpoints', { clientId, url, contract: 'florentin.v1' })
  secret = endpoint.body.data.secret
  await publish(loginEvent({ clientUserId: 'user_of_florentin' }))
  const delivery = await eventually(() =>
    seen.find(({ event }) => event.event === 'user.login' && event.data.user.client_user_id === 'user_of_florentin'),
  )
  expect(delivery.deliveryId).toMatch(/^[0-9a-f-]{36}$/)
  expect(delivery.event).toMatchObject({ data: { login: { at: '2026-06-06T12:00:00.000Z' } } })
  expect(refused).toEqual([])
})

const TAKEN: Behaviour = { status: 202, body: '{"data":{"id":"taken"},"meta":{}}' }
const refusalAnswer = (status: number, code: string): Behaviour => ({
  status,
  body: JSON.stringify({ error: { code, message: 'Wait.', requestId: 'r_1', details: [] } }),
})

/** The SDK before a gateway that answers like this, one after the other; the waits that it asked for, in milliseconds. */
async function callAgainst(answers: Behaviour[], options: Partial<AppEventsOptions> = {}) {
  const receiver = await startReceiver((_, count) => present(answers[Math.min(count, answers.length) - 1]))
  const waits: number[] = []
  const wait = async (milliseconds: number) => void waits.push(milliseconds)
  return { receiver, waits, ...appEvents({ baseUrl: receiver.url, apiKey: 'flo_sk_1', wait, ...options }) }
}

test('what may pass is tried again with the same bytes and the same key, and longer waits', async () => {
  const { receiver, waits, publish } = await callAgainst([
    refusalAnswer(503, 'unavailable'),
    { reset: true },
    refusalAnswer(409, 'idempotency_running'),
    { status: 502, body: '<html>Bad Gateway</html>' },
    TAKEN,
  ])
  expect(await publish(loginEvent())).toEqual({ id: 'taken' })
  expect(receiver.requests).toHaveLength(5)
  const sent = receiver.requests.map(({ headers, body }) => `${headers['idempotency-key']} ${body}`)
  expect(new Set(sent).size).toBe(1)
  expect(sent[0]).toMatch(/^[0-9a-f-]{36} \{"type":"user.login"/)
  expect(present(receiver.requests[0]).headers.authorization).toBe('Bearer flo_sk_1')
  for (const [at, wait] of waits.entries()) {
    expect(wait).toBeGreaterThanOrEqual(250 * 2 ** at)
    expect(wait).toBeLessThanOrEqual(500 * 2 ** at)
  }
})

test('Retry-After is waited for, a minute at most', async () => {
  const limitedAnswer = (seconds: string) => ({
    ...refusalAnswer(429, 'rate_limited'),
    headers: { 'retry-after': seconds },
  })
  const { waits, publish } = await callAgainst([
    limitedAnswer('7'),
    limitedAnswer('3600'),
    limitedAnswer('soon'),
    TAKEN,
  ])
  await publish(loginEvent())
  expect(waits.slice(0, 2)).toEqual([7000, 60_000])
  expect(waits[2]).toBeLessThanOrEqual(2000)
})

test('what does not pass is an error in the end, and what cannot pass is one at once', async () => {
  const down = await callAgainst([refusalAnswer(503, 'unavailable')])
  expect(await errorOf(down.publish(loginEvent()))).toMatchObject({
    status: 503,
    code: 'unavailable',
    requestId: 'r_1',
  })
  expect(down.receiver.requests).toHaveLength(6)

  for (const answer of [
    refusalAnswer(403, 'forbidden'),
    refusalAnswer(409, 'conflict'),
    refusalAnswer(422, 'idempotency_mismatch'),
  ]) {
    const { receiver, publish } = await callAgainst([answer])
    expect((await errorOf(publish(loginEvent()))).status).toBe(answer.status)
    expect(receiver.requests).toHaveLength(1)
  }
})

test('what is not the gateway is reported', async () => {
  for (const answer of [
    { status: 200, body: 'Welcome!' },
    { status: 404, body: '{"nothing": "here"}' },
    { status: 301, headers: { location: 'https://elsewhere.example' } },
  ]) {
    const { receiver, publish } = await callAgainst([answer])
    const error = await errorOf(publish(loginEvent()))
    expect(error).toMatchObject({ status: answer.status, code: 'unexpected_answer' })
    expect(error.message).toContain(`is ${receiver.url} right?`)
  }
})

test('a gateway that does not answer is an error with the cause', async () => {
  const { receiver, publish } = await callAgainst([], { attempts: 2 })
  await receiver.stop()
  const error = await errorOf(publish(loginEvent()))
  expect(error).toMatchObject({ status: undefined, code: 'unreachable', cause: expect.any(Error) })
  expect(error.message).toMatch(/did not answer: .*ECONNREFUSED/)
})

test('an attempt has its time, and then another', async () => {
  const { receiver, publish } = await callAgainst([{ hang: 'headers' }, { hang: 'body' }, TAKEN], {
    timeoutSeconds: 0.1,
  })
  expect(await publish(loginEvent())).toEqual({ id: 'taken' })
  // On a busy machine the third attempt may be too slow as well.
  expect(receiver.requests.length).toBeGreaterThanOrEqual(3)
})

test('it asks through the fetch that it was given', async () => {
  const asked: string[] = []
  const { publish } = appEvents({
    baseUrl: 'https://flo.example',
    apiKey: 'flo_sk_1',
    fetch: async (url) => {
      asked.push(String(url))
      return new Response(TAKEN.body, { status: 202 })
    },
  })
  await publish(loginEvent())
  expect(asked).toEqual(['https://flo.example/v1/app-events'])
})
