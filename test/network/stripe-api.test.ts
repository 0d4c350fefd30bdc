import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { createTunnels } from '../../src/network/egress-proxy.ts'
import { createStripeApi } from '../../src/network/stripe-api.ts'
import { afterwards } from '../support/afterwards.ts'
import { startProxy } from '../support/proxy.ts'
import { API_KEY, startStripeApi } from '../support/stripe-api.ts'

const server = await startStripeApi()
const api = createStripeApi({ base: server.url })
const key = { apiKey: API_KEY, apiVersion: null, account: '' }

test('an object comes as Stripe wrote it, decimals and all, with the time that it is of', async () => {
  const object = { id: 'price_1', object: 'price', unit_amount_decimal: '0.000000000001', metadata: { error: 'no' } }
  server.objects.set('/v1/prices/price_1', object)
  const reply = await api.readObject(key, '/v1/prices/price_1')
  expect(reply).toEqual({ kind: 'found', object, at: expect.any(Date) })
  expect(JSON.stringify(reply.kind === 'found' && reply.object)).toBe(JSON.stringify(object))
})

test('a list comes whole, whatever its length', async () => {
  for (const length of [0, 100, 101, 250]) {
    const rows = Array.from({ length }, (_, at) => ({ id: `il_${length}_${at}` }))
    server.lists.set(`/v1/invoices/in_${length}/lines`, rows)
    expect(await api.readList(key, `/v1/invoices/in_${length}/lines`)).toMatchObject({
      kind: 'found',
      object: { data: rows },
    })
  }
})

test('the account is named as what it is', async () => {
  await api.readObject({ ...key, account: 'acct_1' }, '/v1/customers/cus_1')
  await api.readObject({ ...key, account: 'org_1/acct_2' }, '/v1/customers/cus_1')
  const [account, context] = server.asked.slice(-2).map(({ headers }) => headers)
  expect(account).toMatchObject({ 'stripe-account': 'acct_1' })
  expect(account).not.toHaveProperty('stripe-context')
  expect(context).toMatchObject({ 'stripe-context': 'org_1/acct_2' })
  expect(context).not.toHaveProperty('stripe-account')
})

test('a key that is refused is told without the key', async () => {
  const reply = await api.readObject({ ...key, apiKey: 'rk_live_secret' }, '/v1/prices/price_1')
  expect(reply).toEqual({ kind: 'refused', code: 'api_key_refused', message: 'Stripe refuses the API key (401).' })
})

test.each([
  [400, 'refused', 'request_refused'],
  [403, 'refused', 'permission_missing'],
  [404, 'absent', 'not_found'],
  [409, 'trouble', 'stripe_unavailable'],
  [429, 'trouble', 'rate_limited'],
  [500, 'trouble', 'stripe_unavailable'],
  [503, 'trouble', 'stripe_unavailable'],
])('a %i is %s: %s', async (status, kind, code) => {
  server.behave(() => ({ status, headers: { 'retry-after': '7' } }))
  const reply = await api.readObject(key, '/v1/prices/price_1')
  server.behave()
  expect(reply).toMatchObject({ kind, code })
  if (reply.kind === 'trouble') expect(reply.retryAfterSeconds).toBe(7)
})

/** A server that answers with anything but what Stripe would. */
async function oddServer(answer: (response: import('node:http').ServerResponse) => void) {
  const odd = createServer((_, response) => answer(response))
  await new Promise<void>((resolve) => odd.listen(0, '127.0.0.1', resolve))
  afterwards(async () => {
    odd.closeAllConnections()
    odd.close()
  })
  return createStripeApi({ base: `http://127.0.0.1:${(odd.address() as AddressInfo).port}`, timeoutMs: 300 })
}

test.each<[string, (response: import('node:http').ServerResponse) => void]>([
  ['never ends, byte by byte', (response) => void setInterval(() => response.write(' '), 50).unref()],
  ['says nothing', () => {}],
  ['breaks off', (response) => response.writeHead(200, { 'content-length': '100' }).write('{') && response.destroy()],
  ['is a web page', (response) => response.writeHead(502).end('<html>Bad gateway</html>')],
  ['is an error without words', (response) => response.writeHead(500).end('{}')],
  ['is null', (response) => response.writeHead(200).end('null')],
])('an answer that %s is trouble', async (_, answer) => {
  expect(await (await oddServer(answer)).readObject(key, '/v1/prices/price_1')).toMatchObject({
    kind: 'trouble',
    code: 'stripe_unavailable',
  })
})

test('a host where nobody listens is trouble', async () => {
  const nobody = createStripeApi({ base: 'http://127.0.0.1:1', timeoutMs: 300 })
  expect(await nobody.readList(key, '/v1/invoices/in_1/lines')).toMatchObject({
    kind: 'trouble',
    code: 'stripe_unavailable',
  })
})

test('an egress proxy is gone through, and its outage is trouble that may pass', async () => {
  const proxy = await startProxy()
  const through = createStripeApi({ base: server.url, tunnels: createTunnels({ url: proxy.url, exceptions: [] }) })
  server.objects.set('/v1/customers/cus_far', { id: 'cus_far', object: 'customer' })
  expect(await through.readObject(key, '/v1/customers/cus_far')).toMatchObject({ kind: 'found' })
  expect(proxy.asked.map(({ authority }) => authority)).toEqual([new URL(server.url).host])
  await proxy.stop()
  const reply = await through.readObject(key, '/v1/customers/cus_far')
  expect(reply).toMatchObject({ kind: 'trouble', code: 'stripe_unavailable' })
  expect(JSON.stringify(reply)).not.toContain(proxy.host)
})

test('an answer that is JSON and no object is trouble, and ends nothing', async () => {
  for (const value of ['5', '"x"', 'null', 'true']) {
    const odd = createServer((_, answer) => answer.writeHead(200, { 'content-type': 'application/json' }).end(value))
    await new Promise<void>((resolve) => odd.listen(0, '127.0.0.1', resolve))
    afterwards(async () => void odd.close())
    const reading = createStripeApi({ base: `http://127.0.0.1:${(odd.address() as AddressInfo).port}` })
    expect(await reading.readObject(key, '/v1/products/prod_1'), value).toMatchObject({
      kind: 'trouble',
      code: 'stripe_unavailable',
    })
    odd.closeAllConnections()
  }
})
