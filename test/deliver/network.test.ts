import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { namesFrom, readDelivery, startWithClient } from '../support/delivering.ts'
import { startReceiver } from '../support/receiver.ts'

const names: Record<string, string[]> = {
  'public.test': ['93.184.216.34'],
  'inside.test': ['127.0.0.1'],
  'both.test': ['93.184.216.34', '10.0.0.1'],
  'mapped.test': ['::ffff:169.254.169.254'],
}
const { db, addEndpoint, settleTo } = await startWithClient({
  names: namesFrom(async (hostname) => {
    const addresses = names[hostname]
    if (!addresses)
      throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND', syscall: 'getaddrinfo' })
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }),
})

/** The one attempt of a delivery to this URL. */
async function attemptAt(url: string, fields: { timeoutSeconds?: number } = {}) {
  const endpoint = await addEndpoint({ url, ...fields })
  const [id = ''] = await settleTo(endpoint.id)
  const { made, state } = await readDelivery(db, id)
  expect(made).toHaveLength(1)
  return { ...made[0], state }
}

/** A TCP server of 127.0.0.1 that does this with each connection; closed after the file. */
async function socketServer(server: ReturnType<typeof createServer>) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterAll(() => server.close())
  return (server.address() as AddressInfo).port
}

describe('what keeps a receiver from answering is named', () => {
  test("one that never answers: timeout, after the endpoint's own time", async () => {
    const receiver = await startReceiver({ hang: 'headers' })
    const attempt = await attemptAt(receiver.url, { timeoutSeconds: 1 })
    expect(attempt).toMatchObject({ status: null, error: 'timeout', state: 'failed' })
    expect(attempt.duration_ms).toBeGreaterThanOrEqual(1000)
  })

  test('one that drips its headers: timeout all the same', async () => {
    const port = await socketServer(
      createServer((socket) => {
        socket.on('error', () => {})
        const drip = setInterval(() => socket.write('x'), 100)
        socket.on('close', () => clearInterval(drip))
        socket.write('HTTP/1.1 200 OK\r\nx-slow: ')
      }),
    )
    expect(await attemptAt(`http://127.0.0.1:${port}`, { timeoutSeconds: 1 })).toMatchObject({ error: 'timeout' })
  })

  test('a reset, a closed port, an answer that is not HTTP: connection', async () => {
    const resetting = await startReceiver({ reset: true })
    expect(await attemptAt(resetting.url)).toMatchObject({ status: null, error: 'connection' })
    await resetting.stop()
    expect(await attemptAt(resetting.url)).toMatchObject({
      error: 'connection',
      error_message: 'The connection was refused. (ECONNREFUSED)',
    })
    const port = await socketServer(createServer((socket) => socket.on('error', () => {}).end('220 mail ready\r\n')))
    expect(await attemptAt(`http://127.0.0.1:${port}`)).toMatchObject({ error: 'connection' })
  })

  test('a name that does not resolve: dns', async () => {
    expect(await attemptAt('https://nowhere.test/hook')).toMatchObject({ status: null, error: 'dns' })
  })

  test('a certificate that cannot be verified, or no TLS at all: tls', async () => {
    const plain = await startReceiver()
    expect(await attemptAt(plain.url.replace('http:', 'https:'))).toMatchObject({ error: 'tls' })
    const port = await socketServer(createTlsServer({}, () => {}))
    expect(await attemptAt(`https://127.0.0.1:${port}`)).toMatchObject({ error: 'tls' })
  })
})

describe('addresses that nothing may be sent to are blocked at the connect, and not shown', () => {
  test.each([
    'https://10.0.0.1/hook',
    'https://[::1]/hook',
    'https://[::ffff:10.0.0.1]/hook',
    'https://0x0a000001/hook',
    'https://169.254.169.254/latest',
    'https://both.test/hook',
    'https://mapped.test/hook',
  ])('%s', async (url) => {
    const attempt = await attemptAt(url)
    expect(attempt).toMatchObject({ status: null, error: 'blocked', state: 'failed' })
    expect(attempt.error_message).not.toMatch(/\d+\.\d+|::/)
  })

  test('http:// goes to opened subnets alone', async () => {
    expect(await attemptAt('http://public.test/hook')).toMatchObject({ error: 'blocked' })
    const receiver = await startReceiver()
    expect(await attemptAt(receiver.url.replace('127.0.0.1', 'inside.test'))).toMatchObject({ status: 200 })
    expect(receiver.requests[0]?.headers.host).toMatch(/^inside\.test:/)
  })

  test('a name is judged anew at each connect: one that changes to an inner address gains nothing', async () => {
    const receiver = await startReceiver({ headers: { connection: 'close' } })
    names['moving.test'] = ['127.0.0.1']
    const url = receiver.url.replace('127.0.0.1', 'moving.test')
    expect(await attemptAt(url)).toMatchObject({ status: 200 })
    names['moving.test'] = ['192.168.0.1']
    expect(await attemptAt(url)).toMatchObject({ error: 'blocked' })
    expect(receiver.requests).toHaveLength(1)
  })
})

describe('what is kept of an answer', () => {
  test('of a success 1 KiB, of a failure 16 KiB at most', async () => {
    const receiver = await startReceiver({ body: 'ä'.repeat(6_000), headers: { 'x-request-id': 'abc' } })
    const success = await attemptAt(receiver.url)
    expect(success.response_body).toBe('ä'.repeat(512))
    expect(success.response_headers).toMatchObject({ 'x-request-id': 'abc' })
    receiver.behave({ status: 500, body: 'x'.repeat(15_000) })
    expect((await attemptAt(receiver.url)).response_body).toHaveLength(15_000)
  })

  test('the status line decides: a body without end is cut, and the delivery has arrived', async () => {
    const receiver = await startReceiver({ hang: 'body', body: 'ok' })
    expect(await attemptAt(receiver.url)).toMatchObject({ status: 200, state: 'delivered', response_body: 'ok' })
  })

  test('50 MB are cut after 16 KiB', async () => {
    const receiver = await startReceiver({ status: 500, body: Buffer.alloc(50 * 1024 * 1024, 'x') })
    const { status, response_body } = await attemptAt(receiver.url)
    expect(status).toBe(500)
    expect(response_body).toHaveLength(16 * 1024)
  })

  test('a compressed body is not decompressed', async () => {
    const bomb = gzipSync(Buffer.alloc(10 * 1024 * 1024))
    const receiver = await startReceiver({ body: bomb, headers: { 'content-encoding': 'gzip' } })
    expect(await attemptAt(receiver.url)).toMatchObject({ status: 200, response_body: '(gzip, not decoded)' })
  })

  test('bytes that PostgreSQL refuses do not keep the attempt from being recorded', async () => {
    const receiver = await startReceiver({
      status: 500,
      body: Buffer.from([0x61, 0, 0xff, 0xfe, 0xed, 0xa0, 0x80, 0x62]),
    })
    const { response_body } = await attemptAt(receiver.url)
    expect(response_body).toMatch(/^a\uFFFD+b$/)
  })

  test('headers are kept up to a bound', async () => {
    const headers = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`x-${at}`, 'v'.repeat(200)]))
    const receiver = await startReceiver({ headers })
    const { response_headers } = await attemptAt(receiver.url)
    expect(JSON.stringify(response_headers).length).toBeLessThan(6_000)
  })
})
