import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { excusedDelay } from '../../src/deliver/attempt-outcome.ts'
import { createTunnels } from '../../src/network/egress-proxy.ts'
import { afterwards } from '../support/afterwards.ts'
import { certificate } from '../support/certificates.ts'
import { freshDatabase } from '../support/database.ts'
import * as room from '../support/delivering.ts'
import { eventually } from '../support/eventually.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { call, runGateway } from '../support/program.ts'
import { startProxy } from '../support/proxy.ts'
import { startReceiver } from '../support/receiver.ts'
import { runSideBySide } from '../support/side-by-side.ts'
import { tryingClient } from '../support/trying.ts'

const authority = certificate({ name: 'An authority of our own', ca: true })
const certified = certificate({ name: 'receiver', by: authority, hosts: ['127.0.0.1', 'hooks.example'], use: 'server' })

const proxy = await startProxy()
const gateway = await startTestGateway({
  FLO_EGRESS_PROXY: proxy.url.replace('//', '//us:p%40ss@'),
  FLO_EGRESS_NO_PROXY: 'localhost, 10.0.0.0/8',
})
const { newEndpoint, sent } = await tryingClient(gateway.api)

beforeEach(() => {
  proxy.asked.length = 0
  proxy.behave({})
})

async function tlsReceiver() {
  const server = createServer(certified, (request, answer) => {
    request.resume()
    answer.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(async () => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

describe('with an egress proxy', () => {
  test('deliveries go through a tunnel, https:// with TLS from end to end', async () => {
    const port = await tlsReceiver()
    const url = `https://127.0.0.1:${port}/`
    const { id } = await newEndpoint({ url, tls: { caCertificate: authority.cert } })
    expect(await sent(id)).toMatchObject({ state: 'delivered' })
    const basic = `Basic ${Buffer.from('us:p@ss').toString('base64')}`
    expect(proxy.asked).toMatchObject([
      { authority: `127.0.0.1:${port}`, headers: { host: `127.0.0.1:${port}`, 'proxy-authorization': basic } },
    ])
    // The proxy is no authority: who is at the other end is proved as ever.
    expect((await sent((await newEndpoint({ url })).id)).made[0]).toMatchObject({ error: 'tls' })
  })

  test.each([
    ['us:p%25%40%3A', 'us:p%@:'],
    ['us:p:q@r', 'us:p:q@r'],
    [':token', ':token'],
    ['us', 'us:'],
  ])('its credentials are sent as they are meant: %s', async (written, meant) => {
    const tunnels = createTunnels({ url: proxy.url.replace('//', `//${written}@`), exceptions: [] })
    const { port } = new URL((await startReceiver()).url)
    const socket = await tunnels.openTunnel('127.0.0.1', port)
    socket.destroy()
    const basic = `Basic ${Buffer.from(meant).toString('base64')}`
    expect(proxy.asked).toMatchObject([{ headers: { 'proxy-authorization': basic } }])
  })

  test('http:// goes through a tunnel as well, and what is excepted around it', async () => {
    const receiver = await startReceiver()
    await sent((await newEndpoint({ url: receiver.url })).id)
    expect(proxy.asked).toHaveLength(1)
    await sent((await newEndpoint({ url: receiver.url.replace('127.0.0.1', 'localhost') })).id)
    expect(proxy.asked).toHaveLength(1)
    expect(receiver.requests).toHaveLength(2)
    expect(receiver.requests[0]?.headers).not.toHaveProperty('proxy-authorization')
  })

  test('one that is reached by https:// is believed only with its certificate', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'ca.pem'), authority.cert)
    const { url } = await freshDatabase()
    const secure = await startProxy({}, certified)
    const receiver = await startReceiver()
    const through = async (extra: Record<string, string>) => {
      const env = environment(url, { FLO_EGRESS_PROXY: secure.url, ...extra })
      const running = runGateway(folder, env)
      const at = await running.listening()
      const client = await tryingClient((...request) => call({ url: at, key: env.FLO_ADMIN_KEY }, ...request))
      const id = await client.send((await client.newEndpoint({ url: receiver.url })).id)
      const first = await eventually(async () => (await client.attempts(id))[0])
      running.child.kill('SIGTERM')
      await running.ended
      return first
    }
    expect(await through({})).toMatchObject({ error: 'proxy' })
    expect(secure.asked).toEqual([])
    expect(await through({ NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') })).toMatchObject({ status: 200 })
    expect(secure.asked).not.toEqual([])
  })
})

/** A gateway with a proxy of its own, for what is out while others go on. */
async function throughOwnProxy() {
  const own = await startProxy()
  const { api } = await startTestGateway({ FLO_EGRESS_PROXY: own.url.replace('//', '//us:p%40ss@') })
  return { proxy: own, ...(await tryingClient(api)) }
}

async function expectNotCharged() {
  const { proxy, newEndpoint, send, delivery, attempts } = await throughOwnProxy()
  const receiver = await startReceiver({ status: 500 })
  const once = await newEndpoint({ url: receiver.url, retrySchedule: [] })
  const twice = await newEndpoint({ url: receiver.url, retrySchedule: [0] })
  await proxy.stop()
  const [onceId, twiceId] = [await send(once.id), await send(twice.id)]
  for (const id of [onceId, twiceId]) {
    const [first] = await eventually(async () => (await attempts(id)).length > 0 && (await attempts(id)))
    expect(first).toMatchObject({ number: 1, status: null, error: 'proxy' })
    expect(first.errorMessage).toMatch(/no fault of the endpoint/)
    expect(first.errorMessage).not.toMatch(/\d+\.\d+|ECONN|p@ss/)
    const { state, nextAttemptAt } = await delivery(id)
    expect(state).toBe('pending')
    // A minute and a fifth is the longest of these waits, and is counted from the record.
    expect(Date.parse(nextAttemptAt) - Date.now()).toBeLessThanOrEqual(72_000)
  }
  await proxy.start()

  const answered: number[] = []
  for (const [id, statuses] of [
    [onceId, [500]],
    [twiceId, [500, 500]],
  ] as const) {
    await eventually(async () => (await delivery(id)).state === 'failed')
    // On a slow machine the proxy may have been tried more than once before it was back.
    const made = await attempts(id)
    const charged = made.slice(made.findLastIndex(({ error }) => error === 'proxy') + 1)
    expect(charged.map(({ error, status }) => [error, status])).toEqual(statuses.map((status) => [null, status]))
    answered.push(...charged.map(({ number }) => number))
  }
  const numbers = receiver.requests.map(({ headers }) => Number(headers['flo-delivery-attempt']))
  expect(numbers.toSorted()).toEqual(answered.toSorted())
}

/** One that says of itself that it does not work. */
async function expectExcused(behaviour: Parameters<typeof proxy.behave>[0]) {
  const { proxy, newEndpoint, send, delivery, attempts } = await throughOwnProxy()
  const receiver = await startReceiver()
  proxy.behave(behaviour)
  const id = await send((await newEndpoint({ url: receiver.url })).id)
  const [first] = await eventually(async () => (await attempts(id)).length > 0 && (await attempts(id)))
  expect(first).toMatchObject({ status: null, error: 'proxy' })
  proxy.behave({})
  await eventually(async () => (await delivery(id)).state === 'delivered')
  expect(receiver.requests).toHaveLength(1)
}

async function expectSilenceExcused() {
  const { proxy, newEndpoint, send, delivery, attempts } = await throughOwnProxy()
  const receiver = await startReceiver()
  proxy.behave({ hang: true })
  const id = await send((await newEndpoint({ url: receiver.url })).id)
  const [first] = await eventually(async () => (await attempts(id)).length > 0 && (await attempts(id)))
  expect(first).toMatchObject({ error: 'proxy' })
  const hasty = await send((await newEndpoint({ url: receiver.url, timeoutSeconds: 1 })).id)
  const [early] = await eventually(async () => (await attempts(hasty)).length > 0 && (await attempts(hasty)))
  expect(early).toMatchObject({ error: 'proxy' })
  proxy.behave({})
  for (const one of [id, hasty]) await eventually(async () => (await delivery(one)).state === 'delivered')
}

describe('a proxy that is out', () => {
  test('is not charged to the endpoint, whether it is gone, says that it does not work, or never answers', () =>
    runSideBySide({
      'no attempt of the schedule is used up, and it is tried again soon': expectNotCharged,
      'it asks for other credentials': () =>
        expectExcused({ status: 407, headers: { 'Proxy-Authenticate': 'Basic realm="us"' } }),
      'it has had too much': () => expectExcused({ status: 429 }),
      'it answers 503 to everything, as a balancer without proxies does': () =>
        expectExcused({ status: 503, own: 503 }),
      'it takes requests and never answers, also for endpoints with a short time-out': expectSilenceExcused,
    }))

  test('is asked again after 5 s, 10 s, ... and then every minute', () => {
    expect([0, 1, 2, 3, 4, 5, 100].map((times) => excusedDelay(times, () => 0))).toEqual([5, 10, 20, 40, 60, 60, 60])
    expect(excusedDelay(0, () => 1)).toBe(6)
  })
})

describe('a proxy that is well, but does not get through, says something of the endpoint', () => {
  test.each([
    ['it refuses the host', { status: 403 }, 'blocked'],
    ['it refuses the host as Smokescreen does', { status: 407 }, 'blocked'],
    ['it reaches no one', { status: 502 }, 'connection'],
    ['it reaches no one, says 503 of it as Squid does', { status: 503 }, 'connection'],
    ['it waits in vain', { status: 504 }, 'timeout'],
  ])('%s', async (_, behaviour, error) => {
    proxy.behave(behaviour)
    const { id } = await newEndpoint({ url: 'https://hooks.example/hook' })
    const { state, made } = await sent(id)
    expect([state, made]).toMatchObject(['failed', [{ status: null, error }]])
    expect(made[0].errorMessage).not.toContain(proxy.host)
  })
})

describe('what may be dialled is judged before a tunnel is asked for', async () => {
  const database = await freshDatabase()
  const asked = await startProxy()
  const resolved: Record<string, string[]> = {
    'inside.example': ['10.0.0.1'],
    'both.example': ['93.184.216.34', '::1'],
  }
  const delivering = await room.startDelivering(database, {
    tunnels: createTunnels({ url: asked.url, exceptions: [] }),
    names: room.namesFrom(async (name) => {
      const addresses = resolved[name]
      if (!addresses)
        throw Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' })
      return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    }),
  })
  const clientId = await room.newClient(database.db)
  const attemptAt = async (url: string) => {
    const { id } = await room.newEndpoint(database.db, clientId, { url })
    const [deliveryId = ''] = await room.newDeliveries(database.db, clientId, [id])
    delivering.wake(clientId, [id])
    await room.untilSettled(database.db, [deliveryId])
    return (await room.readDelivery(database.db, deliveryId)).made[0]
  }

  test.each([
    'https://10.0.0.1/',
    'https://[fd00::1]/',
    'https://inside.example/',
    'https://both.example/',
    'https://hooks.example:25/',
    'http://hooks.example/',
    // What does not resolve here may well resolve at the proxy, which knows the inside.
    'https://localhost/',
    'https://metadata.google.internal/',
    'https://printer.local/',
    'https://intranet/',
  ])('%s is blocked', async (url) => {
    expect(await attemptAt(url)).toMatchObject({ status: null, error: 'blocked' })
    expect(asked.asked).toEqual([])
  })

  test('a name that does not resolve here is the proxy’s to resolve', async () => {
    const port = await tlsReceiver()
    asked.behave({ to: port })
    // Its certificate is of an authority that this endpoint does not trust: the tunnel was there.
    expect(await attemptAt('https://hooks.example/')).toMatchObject({ error: 'tls' })
    expect(asked.asked.map(({ authority }) => authority)).toEqual(['hooks.example:443'])
  })
})

test.each([
  ['example.com', 'example.com', true],
  ['example.com', 'hooks.EXAMPLE.com.', true],
  ['example.com', 'badexample.com', false],
  ['.example.com', 'example.com', false],
  ['.example.com', 'a.b.example.com', true],
  ['10.0.0.0/8', '10.1.2.3', true],
  ['10.0.0.0/8', '11.1.2.3', false],
  ['10.0.0.0/8', 'ten.example', false],
  ['10.1.2.3', '10.1.2.3', true],
  ['::1', '::1', true],
  ['fd00::/8', 'fd12::1', true],
  ['fd00::/8', '10.1.2.3', false],
  ['example.com', '10.1.2.3', false],
  ['*', 'anything.example', true],
])('the exception %s for %s: %s', (exception, hostname, excepted) => {
  const { isForHost: leadTo } = createTunnels({ url: 'http://127.0.0.1:3128', exceptions: [exception] })
  expect(leadTo(hostname)).toBe(!excepted)
})
