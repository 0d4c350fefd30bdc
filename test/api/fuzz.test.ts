import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { seededRandom } from '../../simulator/random.ts'
import { firstRow } from '../../src/database/rows.ts'
import type { Json } from '../../src/domain/json.ts'
import { belongings, markedClient } from '../support/fuzzed-client.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { mutated, sample, strangeText } from '../support/schema-fuzz.ts'
import { startStripeApi } from '../support/stripe-api.ts'

const SECONDS = Number(process.env.FLO_FUZZ_SECONDS ?? 12)
const SEED = process.env.FLO_FUZZ_SEED ?? randomBytes(4).toString('hex')
const AT_ONCE = 6

const stripe = await startStripeApi()
const gateway = await startTestGateway({ FLO_STRIPE_API_BASE: stripe.url, LOG_LEVEL: 'silent' })
const receiver = await startReceiver()
const [ourMark, theirMark] = [`our${randomBytes(6).toString('hex')}`, `mark${randomBytes(6).toString('hex')}`]
// Their endpoint answers with their mark too: it stands in their attempts.
receiver.behave(({ path }) => ({ body: path.slice(1), headers: { 'x-mark': path.slice(1) } }))
const ours = await markedClient(gateway, ourMark, receiver.url)
const theirs = await markedClient(gateway, theirMark, receiver.url)
const before = await belongings(gateway.api, theirs.clientId)

// A key may send 50 requests a second, so several keys are used.
const keysFor = (...scopes: string[]) => Promise.all(Array.from({ length: 8 }, () => ours.key(...scopes)))
const keys = { full: await keysFor('read', 'write'), read: await keysFor('read'), write: await keysFor('write') }

interface Operation {
  method: string
  path: string
  scope: 'read' | 'write' | 'admin'
  /** Names of ids in the path, and all that may stand in the query. */
  pathNames: string[]
  queryNames: string[]
  body: Json
}
const document = (await (await fetch(`${gateway.url}/openapi.json`)).json()) as { paths: Record<string, Json> }
const operations: Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries<Json>(methods)
    .filter(() => path.startsWith('/v1/'))
    .map(([method, { description, parameters = [], requestBody }]) => ({
      method: method.toUpperCase(),
      path,
      scope: /Scope: `(\w+)`/.exec(description)?.[1] as Operation['scope'],
      pathNames: parameters.filter((one: Json) => one.in === 'path').map(({ name }: Json) => name),
      queryNames: parameters.filter((one: Json) => one.in === 'query').map(({ name }: Json) => name),
      body: requestBody?.content['application/json'].schema,
    })),
)
const resourceOf = ({ path }: Operation) => /^\/v1\/(.+?)\/\{/.exec(path)?.[1] ?? ''
const FOREIGN: Readonly<Record<string, string>> = { clientId: 'clients', endpointId: 'endpoints', sourceId: 'sources' }

interface Sent {
  method: string
  path: string
  key: string
  body?: unknown
  headers?: Record<string, string>
  /** What the answer must be one of; nothing said: anything but our own fault. */
  allowed?: readonly number[]
}
const random = seededRandom(SEED)
const pickFrom = <T>(list: readonly T[]): T => firstRow(list.slice(random.below(list.length)))
const fieldSamples = {
  url: () => `${receiver.url}/${random.letters(4)}`,
  endpointId: () => pickFrom(ours.ids.endpoints ?? []),
  sourceId: () => pickFrom(ours.ids.sources ?? []),
  clientId: () => ours.clientId,
  since: () => new Date(Date.now() - 86_400_000 * random.below(20)).toISOString(),
  until: () => null,
  account: () => 'acct_1',
  clientUserId: () => pickFrom([ourMark, random.letters(6)]),
  eventTypes: () => pickFrom([null, ['invoice.*'], ['subscription.created']]),
  // Nobody's address but this machine's: nothing goes out of the test.
  tls: () => null,
}

const fillPath = ({ path }: Operation, id: () => string) => path.replace(/\{\w+\}/g, () => encodeURIComponent(id()))
const pickOwnId = (one: Operation) => () => {
  if (one.pathNames.includes('eventType')) return pickFrom(['invoice.paid', 'x'])
  if (one.pathNames.includes('clientUserId')) return pickFrom([ourMark, random.letters(8)])
  return pickFrom([...(ours.ids[resourceOf(one)] ?? []), random.uuid()])
}
const sampleBody = (one: Operation) => one.body && sample(one.body, random, fieldSamples)
// Our own resources have to stay: a DELETE gets an id that does not exist, or of something created meanwhile.
const aimId = (one: Operation) => {
  if (one.method !== 'DELETE') return pickOwnId(one)
  const made = ours.ids[resourceOf(one)] ?? []
  return () => (made.length > 3 && made.pop()) || random.uuid()
}

/** One request of each manner; which one, chance decides. */
const manners: ((one: Operation) => Sent | null)[] = [
  // As meant.
  (one) => ({ ...one, path: fillPath(one, aimId(one)), key: pickFrom(keys.full), body: sampleBody(one) }),
  // A body that is wrong in one place or several.
  (one) => {
    if (!one.body) return null
    let body = sampleBody(one)
    for (let times = 1 + random.below(3); times > 0; times -= 1) body = mutated(body, random)
    return { ...one, path: fillPath(one, aimId(one)), key: pickFrom(keys.full), body }
  },
  // Strange things in the query, the path and the Idempotency-Key.
  (one) => {
    const query = one.queryNames.filter(() => random.below(2) === 0)
    const text = query.map((name) => `${name}=${encodeURIComponent(strangeText(random))}`).join('&')
    const path = fillPath(one, random.below(2) === 0 ? aimId(one) : () => strangeText(random).slice(0, 300) || 'x')
    const headers = { 'idempotency-key': encodeURIComponent(strangeText(random)).slice(0, 300) }
    return { ...one, path: `${path}?${text}`, key: pickFrom(keys.full), body: sampleBody(one), headers }
  },
  // Their id in the path: not found, whatever it is and whatever may be done with it.
  (one) => {
    const list = theirs.ids[resourceOf(one)]
    if (!list?.length || !one.pathNames.includes('id')) return null
    const key = pickFrom([...keys.full, ...keys.read, ...keys.write])
    const allowed = one.scope === 'admin' ? [403, 404] : [404]
    return { ...one, path: fillPath(one, () => pickFrom(list)), key, body: sampleBody(one), allowed }
  },
  // Their id in the query or the body.
  (one) => {
    const names = Object.keys(FOREIGN)
    const inQuery = one.queryNames.filter((name) => names.includes(name))
    const inBody = Object.keys(one.body?.properties ?? {}).filter((name) => names.includes(name))
    const name = pickFrom([...inQuery, ...inBody, ''])
    if (name === '') return null
    const foreign = pickFrom(theirs.ids[FOREIGN[name] ?? ''] ?? [])
    const asked = { ...one, key: pickFrom(keys.full), allowed: one.scope === 'admin' ? [403, 404] : [404] }
    return inBody.includes(name)
      ? { ...asked, path: fillPath(one, aimId(one)), body: { ...sampleBody(one), [name]: foreign } }
      : { ...asked, path: `${fillPath(one, aimId(one))}?${name}=${foreign}`, body: sampleBody(one) }
  },
  // A key without the scope, or no key at all.
  (one) => {
    const weak = one.scope === 'read' ? keys.write : keys.read
    const path = fillPath(one, pickOwnId(one))
    if (random.below(3) === 0)
      return { ...one, path, key: strangeText(random).replace(/[^\x21-\x7e]/g, ''), allowed: [401] }
    return { ...one, path, key: pickFrom(weak), body: sampleBody(one), allowed: [403, 404] }
  },
  // A method that the path does not have.
  (one) => {
    const had = operations.filter(({ path }) => path === one.path).map(({ method }) => method)
    const method = pickFrom(
      ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'].filter((name) => !had.includes(name)),
    )
    return { method, path: fillPath(one, pickOwnId(one)), key: pickFrom(keys.full) }
  },
  // An operator, who may see everything and break nothing.
  (one) => {
    if (one.method === 'DELETE' || one.path.startsWith('/v1/clients/')) return null
    const path = `${fillPath(one, pickOwnId(one))}${one.queryNames.includes('clientId') ? `?clientId=${ours.clientId}` : ''}`
    return { ...one, path, key: gateway.adminKey, body: one.body && mutated(sampleBody(one), random) }
  },
]

const ERROR = {
  error: {
    code: expect.any(String),
    message: expect.any(String),
    requestId: expect.any(String),
    details: expect.any(Array),
  },
}
const counts = new Map<number, number>()

async function sendAndJudge({ method, path, key, body, headers = {}, allowed }: Sent) {
  const response = await fetch(gateway.url + path, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && method !== 'GET' && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const { status } = response
  counts.set(status, (counts.get(status) ?? 0) + 1)
  const said = `seed ${SEED}: ${method} ${path.slice(0, 300)} ${JSON.stringify(body)?.slice(0, 600)} answered ${status} ${text.slice(0, 600)}`
  expect(status, said).toBeLessThan(500)
  if (allowed && status !== 429) expect(allowed, said).toContain(status)
  if (status >= 400 && text) expect(JSON.parse(text), said).toEqual(ERROR)
  if (key !== gateway.adminKey) {
    expect(text, said).not.toContain(theirMark)
    expect(JSON.stringify([...response.headers]), said).not.toContain(theirMark)
  }
  if (status < 300 && text && method !== 'GET') rememberCreated(path, JSON.parse(text).data?.id)
}

/** What has been made joins what may be asked for. */
function rememberCreated(path: string, id: unknown) {
  const list = /^\/v1\/([\w-]+(?:\/sessions)?)$/.exec(path.split('?')[0] ?? '')?.[1]
  if (list && typeof id === 'string' && list !== 'clients' && list !== 'api-keys') ours.ids[list]?.push(id)
}

test(`the API, fuzzed from its own document, fails at nothing and shows nobody what is another's`, async () => {
  console.log(`FLO_FUZZ_SEED=${SEED}`)
  const deadline = performance.now() + SECONDS * 1000
  let sent = 0
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      // Each route in each manner at least once, however slow the machine.
      while (performance.now() < deadline || sent < operations.length * manners.length) {
        const operation = operations[Math.floor(sent / manners.length) % operations.length]
        const asked = operation && manners[sent % manners.length]?.(operation)
        sent += 1
        if (asked) await sendAndJudge(asked)
      }
    }),
  )
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  console.log(
    `${total} requests: ${[...counts]
      .toSorted()
      .map(([status, count]) => `${count} x ${status}`)
      .join(', ')}`,
  )
  for (const status of [200, 401, 403, 404, 422])
    expect(counts.get(status), `replies with ${status}`).toBeGreaterThan(10)
  expect(await belongings(gateway.api, theirs.clientId)).toEqual(before)
})
