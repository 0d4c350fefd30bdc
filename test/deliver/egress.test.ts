import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createSocketServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/json.ts'
import { afterwards } from '../support/afterwards.ts'
import { freshDatabase } from '../support/database.ts'
import {
  namesFrom,
  newClient,
  newDeliveries,
  newEndpoint,
  readDelivery,
  startDelivering,
  untilSettled,
} from '../support/delivering.ts'
import { eventually } from '../support/eventually.ts'
import { environment, startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { tryingClient } from '../support/trying.ts'

const open = await startTestGateway()
const client = await tryingClient(open.api)

describe('a gateway that opens no subnet', async () => {
  const { url: databaseUrl, db } = await freshDatabase()
  const env = environment(databaseUrl, { FLO_ALLOWED_SUBNETS: '', LOG_LEVEL: 'info' })
  const gateway = runGateway(await temporaryFolder(), env)
  afterAll(() => gateway.child.kill('SIGKILL'))
  let closed: Awaited<ReturnType<typeof tryingClient>>
  let api: (method: string, path: string, body?: unknown) => Promise<{ status: number; body: Json }>
  beforeAll(async () => {
    const at = await gateway.listening()
    api = (...request) => call({ url: at, key: env.FLO_ADMIN_KEY }, ...request)
    closed = await tryingClient(api)
  })

  test.each([
    ['https://127.0.0.1/', 'url_blocked'],
    ['https://127.1/', 'url_blocked'],
    ['https://2130706433/', 'url_blocked'],
    ['https://0x7f000001/', 'url_blocked'],
    ['https://0x7f.0.0.0x1/', 'url_blocked'],
    ['https://0177.0.0.01/', 'url_blocked'],
    ['https://１２７.0.0.1/', 'url_blocked'],
    ['https://127。0。0。1/', 'url_blocked'],
    ['https://%31%32%37.0.0.1/', 'url_blocked'],
    ['https://169.254.169.254/latest/meta-data/', 'url_blocked'],
    ['https://[::1]/', 'url_blocked'],
    ['https://[::]/', 'url_blocked'],
    ['https://[::ffff:10.0.0.1]/', 'url_blocked'],
    ['https://[::ffff:0a00:0001]/', 'url_blocked'],
    ['https://[::10.0.0.1]/', 'url_blocked'],
    ['https://[64:ff9b::10.0.0.1]/', 'url_blocked'],
    ['https://[2002:0a00:0001::]/', 'url_blocked'],
    ['https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/', 'url_blocked'],
    ['https://[2600:1::5efe:10.0.0.1]/', 'url_blocked'],
    ['https://[fe80::1%25eth0]/', 'invalid'],
    ['https://[fe80::1%eth0]/', 'invalid'],
    ['https://localhost/', 'url_blocked'],
    ['https://localhost./', 'url_blocked'],
    ['https://api.localhost/', 'url_blocked'],
    ['https://metadata.google.internal/', 'url_blocked'],
    ['https://intranet/', 'url_blocked'],
    ['https://example.com:22/', 'url_blocked'],
    ['https://example.com:25/', 'url_blocked'],
    ['https://example.com:6667/', 'url_blocked'],
    ['https://example.com:0/', 'url_blocked'],
    ['https://user@example.com/', 'invalid'],
    ['https://:pass@example.com/', 'invalid'],
    ['https://example.com@127.0.0.1/', 'invalid'],
    ['http://example.com/', 'https_required'],
    ['gopher://example.com/', 'invalid'],
    ['file:///etc/passwd', 'invalid'],
  ])('refuses %s: %s', async (url, code) => {
    const { status, body } = await closed.ask({ url })
    expect([status, body.error.code, body.error.details[0].path]).toEqual([422, code, 'url'])
  })

  test.each([
    'https://example.com/',
    'https://example.com:8443/',
    'https://[2606:4700::1111]/',
    'https://münchen.example/',
  ])('takes %s', async (url) => {
    expect((await closed.ask({ url })).status).toBe(201)
  })

  // As if they had been registered while their subnet was open.
  test.each([
    ['https://10.11.12.13/hook', 'private'],
    ['https://169.254.169.254/hook', 'linkLocal'],
    ['https://[::ffff:10.11.12.13]/hook', 'private'],
    ['http://10.11.12.13/hook', 'http:// needs an allowed subnet'],
    ['https://localhost/hook', 'loopback'],
    ['https://93.184.216.34:25/hook', 'port 25'],
  ])('blocks %s at the connect: the log says why, and nobody else', async (url, why) => {
    const { id } = await closed.newEndpoint({ url: 'https://example.com/' })
    await db.query('update endpoints set url = $2 where id = $1', [id, url])
    const delivery = await closed.sent(id)
    const [attempt] = delivery.made
    expect(delivery.state).toBe('failed')
    expect(attempt).toMatchObject({ status: null, error: 'blocked', responseHeaders: null, responseBody: null })
    expect(attempt.errorMessage).toBe('The address is not one that deliveries may be sent to.')
    expect(JSON.stringify(delivery)).not.toMatch(/127\.0|::|10\.11|169\.254|loopback|private|linkLocal/)
    const line = await eventually(() =>
      gateway.said.stderr.split('\n').find((one) => one.includes('delivery.attempted') && one.includes(delivery.id)),
    )
    expect(JSON.parse(line)).toMatchObject({ outcome: 'unreachable', reason: 'blocked' })
    expect(JSON.parse(line).cause).toMatch(/^Blocked: .* must not be reached: /)
    expect(JSON.parse(line).cause).toContain(why)
  })
})

test('a name is resolved once for each connect, and what was judged is what is dialled', async () => {
  const database = await freshDatabase()
  let asked = 0
  // Good when it is judged, and another one a moment later: whoever asks twice dials the second.
  const room = await startDelivering(database, {
    names: namesFrom(async () => {
      asked += 1
      return [{ address: asked % 2 === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }]
    }),
  })
  const receiver = await startReceiver({ headers: { connection: 'close' } })
  const clientId = await newClient(database.db)
  const endpoint = await newEndpoint(database.db, clientId, { url: receiver.url.replace('127.0.0.1', 'moving.test') })
  const outcomes = []
  for (let turn = 0; turn < 4; turn++) {
    const [id = ''] = await newDeliveries(database.db, clientId, [endpoint.id])
    room.wake(clientId, [endpoint.id])
    await untilSettled(database.db, [id])
    const [{ status, error }] = (await readDelivery(database.db, id)).made
    outcomes.push(status ?? error)
  }
  expect(outcomes).toEqual([200, 'blocked', 200, 'blocked'])
  expect([asked, receiver.requests.length]).toEqual([4, 2])
})

test.each([301, 302, 303, 307, 308])('a redirect by %i is a failure, and is never followed', async (status) => {
  const elsewhere = await startReceiver()
  const receiver = await startReceiver({ status, headers: { location: `${elsewhere.url}/secret` } })
  const { id } = await client.newEndpoint({ url: receiver.url })
  const { state, made } = await client.sent(id)
  expect([state, made]).toMatchObject(['failed', [{ status, error: null }]])
  expect([receiver.requests.length, elsewhere.requests.length]).toEqual([1, 0])
})

describe('an answer that is meant to hurt costs no memory, and its connection is closed', () => {
  const MB = 1024 * 1024
  const chunk = Buffer.alloc(64 * 1024, 'x')

  /** Answers with `parts`, one after the other as fast as they are taken; tells how much left, and whether all were cut off. */
  async function pouring(parts: () => Iterable<Buffer> | AsyncIterable<Buffer>, headers: Record<string, string> = {}) {
    const poured: { bytes: number; closed: boolean }[] = []
    const url = await served((request, answer) => {
      const one = { bytes: 0, closed: false }
      poured.push(one)
      request.resume()
      answer.writeHead(500, headers)
      const source = Readable.from(counted(parts(), one))
      answer.on('close', () => {
        one.closed = true
        source.destroy()
      })
      source.on('error', () => {})
      source.pipe(answer)
    })
    return { url, poured }
  }
  async function* counted(parts: Iterable<Buffer> | AsyncIterable<Buffer>, one: { bytes: number }) {
    for await (const part of parts) {
      one.bytes += part.length
      yield part
    }
  }
  async function served(listener: RequestListener) {
    const server = createServer(listener)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    afterwards(async () => {
      server.closeAllConnections()
      server.close()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const held = () => {
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  /** So many test events at once; their attempts, and how many bytes memory grew by at most meanwhile. */
  async function underFire(url: string, count: number) {
    // Nine for each endpoint: with a tenth failure its breaker would open.
    const endpoints = await Promise.all(Array.from({ length: Math.ceil(count / 9) }, () => client.newEndpoint({ url })))
    const before = held()
    let most = before
    const watch = setInterval(() => {
      most = Math.max(most, held())
    }, 5)
    const deliveries = await Promise.all(
      Array.from({ length: count }, (_, at) => client.sent(endpoints[at % endpoints.length].id)),
    )
    clearInterval(watch)
    return { made: deliveries.flatMap(({ made }) => made), grownBy: most - before }
  }

  test('50 MB, forty times over', async () => {
    const { url, poured } = await pouring(() => Array.from({ length: 800 }, () => chunk))
    const { made, grownBy } = await underFire(url, 40)
    expect(made).toHaveLength(40)
    for (const { status, responseBody } of made) expect([status, responseBody]).toEqual([500, 'x'.repeat(16 * 1024)])
    // 2,000 MB were on offer. What left is what the machine's own buffers take before anybody reads.
    expect(grownBy).toBeLessThan(150 * MB)
    await eventually(() => poured.every(({ closed }) => closed))
    expect(Math.max(...poured.map(({ bytes }) => bytes))).toBeLessThan(20 * MB)
  })

  test('a body without end', async () => {
    const { url, poured } = await pouring(function* () {
      for (;;) yield chunk
    })
    const { made, grownBy } = await underFire(url, 20)
    for (const { status } of made) expect(status).toBe(500)
    expect(grownBy).toBeLessThan(150 * MB)
    await eventually(() => poured.every(({ closed }) => closed))
  })

  test('a body that comes by the drop, and never to 16 KiB', async () => {
    const { url, poured } = await pouring(async function* () {
      for (;;) {
        yield Buffer.from('.')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })
    const { made } = await underFire(url, 3)
    for (const { status, responseBody } of made) {
      expect(status).toBe(500)
      expect(responseBody).toMatch(/^\.+$/)
    }
    await eventually(() => poured.every(({ closed }) => closed))
    expect(Math.max(...poured.map(({ bytes }) => bytes))).toBeLessThan(1_000)
  })

  test('a gzip bomb, which is never decompressed', async () => {
    // A thousandth of what it would be.
    const bomb = gzipSync(Buffer.alloc(200 * MB))
    const { url } = await pouring(() => [bomb], { 'content-encoding': 'gzip' })
    const { made, grownBy } = await underFire(url, 20)
    for (const { responseBody } of made) expect(responseBody).toBe('(gzip, not decoded)')
    expect(grownBy).toBeLessThan(150 * MB)
  })

  test('headers without end, and preliminary answers without end', async () => {
    const flood = async (first: string, more: string) => {
      const sockets = new Set<Socket>()
      const server = createSocketServer((socket) => {
        sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => sockets.delete(socket))
        socket.once('data', () => {
          socket.write(first)
          const pour = () => {
            while (socket.writable && socket.write(more));
          }
          socket.on('drain', pour)
          pour()
        })
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      afterwards(async () => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const { id } = await client.newEndpoint({ url, timeoutSeconds: 2 })
      const before = held()
      const { made } = await client.sent(id)
      expect(held() - before).toBeLessThan(150 * MB)
      await eventually(() => sockets.size === 0)
      return made[0]
    }
    const headers = await flood('HTTP/1.1 200 OK\r\n', `x-more: ${'x'.repeat(1000)}\r\n`)
    expect(headers).toMatchObject({
      status: null,
      error: 'connection',
      errorMessage: expect.stringContaining('too large'),
    })
    const preliminary = await flood('', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n')
    expect(preliminary).toMatchObject({ status: null, error: expect.stringMatching(/timeout|connection/) })
  })
})
