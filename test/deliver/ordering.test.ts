import { beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { startTestGateway } from '../support/gateway.ts'
import { type Received, startReceiver } from '../support/receiver.ts'

// An endpoint with `ordering: "user"`: logins are numbered per user, so that the receiver sees who overtook whom.

const gateway = await startTestGateway()
const asked = async (method: string, path: string, body?: unknown) => {
  const reply = await gateway.api(method, path, body)
  if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
  return reply.body.data
}

let clientId: string
let published = 0
beforeEach(async () => {
  clientId = (await asked('POST', '/v1/clients', { name: 'Acme' })).id
  published = 0
})

const newEndpoint = (url: string, fields: object = {}) =>
  asked('POST', '/v1/endpoints', {
    clientId,
    url,
    contract: 'florentin.v1',
    ordering: 'user',
    retrySchedule: [1, 1],
    ...fields,
  })
/** So many more logins of each of these users, one after another. */
async function logins(users: string[], count: number) {
  const events = Array.from({ length: count }, () => users)
    .flat()
    .map((clientUserId) => {
      published += 1
      const at = new Date(Date.UTC(2026, 0, 1) + published * 1000).toISOString()
      return { type: 'user.login', clientUserId, occurredAt: at, data: { at, ip: null, user_agent: String(published) } }
    })
  await asked('POST', '/v1/app-events/batch', { clientId, events })
}
const loginOf = ({ body }: Received) => {
  const { user, login } = JSON.parse(body).data
  return { user: user.client_user_id as string, number: Number(login.user_agent) }
}
const of = (requests: Received[], user: string) =>
  requests
    .map(loginOf)
    .filter((login) => login.user === user)
    .map(({ number }) => number)
const rising = (numbers: number[]) => numbers.toString() === numbers.toSorted((a, b) => a - b).toString()

describe('an endpoint that asks for the order of each user', () => {
  test('gets a user’s events one after another, though it takes ten at once', async () => {
    let open = new Set<string>()
    const together: string[] = []
    const receiver = await startReceiver(async (request) => {
      const { user } = loginOf(request)
      if (open.has(user)) together.push(user)
      open = new Set([...open, user])
      await new Promise((resolve) => setTimeout(resolve, 20))
      open.delete(user)
      return {}
    })
    await newEndpoint(receiver.url)
    await logins(['ada', 'ben', 'eve'], 10)
    await eventually(() => receiver.requests.length === 30)
    expect(together).toEqual([])
    for (const user of ['ada', 'ben', 'eve']) expect(rising(of(receiver.requests, user))).toBe(true)
  })

  test('a later one waits for the retries of an earlier one, and other users do not', async () => {
    let refusals = 2
    const receiver = await startReceiver((request) => {
      const { number } = loginOf(request)
      return number === 1 && refusals-- > 0 ? { status: 503 } : {}
    })
    const endpoint = await newEndpoint(receiver.url, { retrySchedule: [3600, 3600] })
    await logins(['ada', 'ben'], 5)
    await eventually(() => of(receiver.requests, 'ben').length === 5)
    expect(new Set(of(receiver.requests, 'ada'))).toEqual(new Set([1]))
    const waiting = await asked('GET', `/v1/deliveries?clientId=${clientId}&state=pending`)
    expect(waiting).toHaveLength(5)
    const due = waiting.find(({ attempts }: { attempts: number }) => attempts === 0)
    expect(due.waitsFor.message).toContain('the events of a user one after another')
    for (const attempts of [1, 2]) {
      const failed = `update deliveries set next_attempt_at = now()
                       where client_id = $1 and state = 'pending' and attempts = $2 returning id`
      await eventually(async () => (await gateway.db.query(failed, [clientId, attempts])).rowCount === 1)
      await asked('PATCH', `/v1/endpoints/${endpoint.id}`, { description: `Retry ${attempts}` })
    }
    await eventually(() => of(receiver.requests, 'ada').length === 7)
    expect(of(receiver.requests, 'ada')).toEqual([1, 1, 1, 3, 5, 7, 9])
  })

  test('one that waits says which comes first, and when', async () => {
    const receiver = await startReceiver({ status: 503 })
    await newEndpoint(receiver.url, { retrySchedule: [3600] })
    await logins(['ada'], 3)
    await eventually(() => receiver.requests.length === 1)
    const [third, , first] = await asked('GET', `/v1/deliveries?clientId=${clientId}&state=pending`)
    const { nextAttemptAt } = await eventually(async () => {
      const shown = await asked('GET', `/v1/deliveries/${first.id}`)
      return shown.attempts === 1 && shown
    })
    const inTurn = { for: 'turn', until: nextAttemptAt, message: expect.stringContaining(first.id) }
    expect((await asked('GET', `/v1/deliveries/${third.id}`)).waitsFor).toEqual(inTurn)
    const { sourceEventId } = await asked('GET', `/v1/events/${third.eventId}`)
    const { events } = await asked('GET', `/v1/source-events/${sourceEventId}/explain`)
    expect(events[0].deliveries[0].waitsFor).toEqual(inTurn)
    expect((await asked('GET', `/v1/deliveries/${first.id}`)).waitsFor.for).toBe('schedule')
  })

  test('one that has failed for good lets the next go', async () => {
    const receiver = await startReceiver((request) => (loginOf(request).number === 1 ? { status: 500 } : {}))
    await newEndpoint(receiver.url, { retrySchedule: [1] })
    await logins(['ada'], 3)
    await eventually(() => of(receiver.requests, 'ada').length === 4)
    expect(of(receiver.requests, 'ada')).toEqual([1, 1, 2, 3])
    const failed = await asked('GET', `/v1/deliveries?clientId=${clientId}&state=failed`)
    expect(failed).toHaveLength(1)
  })

  test('keeps its order through a resend of what waits, and lets the next go when that is cancelled', async () => {
    const receiver = await startReceiver((_request, count) => (count === 1 ? { status: 503 } : {}))
    const endpoint = await newEndpoint(receiver.url, { retrySchedule: [3600] })
    await logins(['ada'], 3)
    await eventually(() => receiver.requests.length === 1)
    const pending = (await asked('GET', `/v1/deliveries?clientId=${clientId}&state=pending`)).toReversed()
    expect(pending).toHaveLength(3)
    await eventually(async () => (await asked('GET', `/v1/deliveries/${pending[0].id}`)).attempts === 1)
    await asked('POST', `/v1/deliveries/${pending[0].id}/resend`)
    await eventually(() => receiver.requests.length === 4)
    expect(of(receiver.requests, 'ada')).toEqual([1, 1, 2, 3])
    expect((await asked('GET', `/v1/endpoints/${endpoint.id}`)).ordering).toBe('user')
  })

  test('replays each user’s events in their order', async () => {
    const receiver = await startReceiver()
    const endpoint = await newEndpoint(receiver.url)
    await logins(['ada', 'ben'], 8)
    await eventually(() => receiver.requests.length === 16)
    let refusals = 1
    receiver.behave((request) => (loginOf(request).number === 5 && refusals-- > 0 ? { status: 503 } : {}))
    receiver.requests.length = 0
    await asked('POST', '/v1/replays', { endpointId: endpoint.id, mode: 'all' })
    await eventually(() => receiver.requests.length === 17)
    for (const user of ['ada', 'ben']) expect(rising(of(receiver.requests, user))).toBe(true)
  })

  test('goes back to no order when it is changed, also for what waits', async () => {
    const receiver = await startReceiver((request) => (loginOf(request).number === 1 ? { status: 503 } : {}))
    const endpoint = await newEndpoint(receiver.url, { retrySchedule: [3600] })
    await logins(['ada'], 4)
    await eventually(() => receiver.requests.length === 1)
    await asked('PATCH', `/v1/endpoints/${endpoint.id}`, { ordering: 'none' })
    await eventually(() => receiver.requests.length === 4)
    expect(of(receiver.requests, 'ada').sort()).toEqual([1, 2, 3, 4])
  })
})

test('one that begins to ask for it gets no two of a user at once from the next attempt on', async () => {
  const { promise: changed, resolve: letGo } = Promise.withResolvers<void>()
  let open = 0
  let most = 0
  const receiver = await startReceiver(async (_request, count) => {
    if (count <= 10) await changed
    else {
      open += 1
      most = Math.max(most, open)
      await new Promise((resolve) => setTimeout(resolve, 10))
      open -= 1
    }
    return {}
  })
  const endpoint = await newEndpoint(receiver.url, { ordering: 'none' })
  await logins(['ada'], 60)
  await eventually(() => receiver.requests.length === 10)
  await asked('PATCH', `/v1/endpoints/${endpoint.id}`, { ordering: 'user' })
  letGo()
  await eventually(() => receiver.requests.length === 60)
  expect(most).toBe(1)
  const numbers = of(receiver.requests, 'ada')
  expect(new Set(numbers).size).toBe(60)
  expect(rising(numbers.slice(10))).toBe(true)
})

test('an endpoint that does not ask for it is not slowed by a user’s retry', async () => {
  const receiver = await startReceiver((request) => (loginOf(request).number === 1 ? { status: 503 } : {}))
  const endpoint = await newEndpoint(receiver.url, { ordering: 'none', retrySchedule: [3600] })
  await logins(['ada'], 4)
  await eventually(() => receiver.requests.length === 4)
  expect(endpoint.ordering).toBe('none')
})

test('a delivery that is cancelled while it waits for a retry lets the next one of its user go', async () => {
  const receiver = await startReceiver((request) => ({ status: loginOf(request).number === 1 ? 500 : 200 }))
  await newEndpoint(receiver.url, { retrySchedule: [86_400] })
  await logins(['ada'], 3)
  const first = await eventually(async () => {
    const { data } = (await gateway.api('GET', `/v1/deliveries?clientId=${clientId}&order=desc`)).body
    return data.find(({ attempts }: { attempts: number }) => attempts === 1)
  })
  expect(receiver.requests.map((request) => loginOf(request).number)).toEqual([1])
  const cancelled = await asked('POST', `/v1/deliveries/${first.id}/cancel`, {})
  expect(cancelled).toMatchObject({
    state: 'cancelled',
    reason: 'cancelled_by_request',
    attempts: 1,
    nextAttemptAt: null,
  })
  await eventually(() => receiver.requests.length === 3)
  expect(receiver.requests.map((request) => loginOf(request).number)).toEqual([1, 2, 3])
  // Sent after all, on its own schedule.
  receiver.behave({})
  await asked('POST', `/v1/deliveries/${first.id}/resend`, {})
  await eventually(() => receiver.requests.length === 4)
})
