import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import { openPool } from '../../src/database/db.ts'
import { createSender } from '../../src/deliver/attempt/send-post.ts'
import { createTunnels } from '../../src/network/egress-proxy.ts'
import { createStripeApi } from '../../src/network/stripe-api.ts'
import { createSpanSender } from '../../src/traces/spans.ts'
import { afterwards } from '../support/afterwards.ts'
import { certificate } from '../support/certificates.ts'
import { namesFrom } from '../support/delivering.ts'

const certified = certificate({ name: 'nobody knows', hosts: ['127.0.0.1'] })

/** An https:// server that nobody trusts, with what it was told. */
async function startUntrusted() {
  const told: string[] = []
  const server = createServer(certified, (request, answer) => {
    told.push(`${request.method} ${request.url}`)
    answer.end('{}')
  })
  server.on('connect', (request) => told.push(`CONNECT ${request.url}`))
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { told, port: (server.address() as AddressInfo).port }
}

/** Node reads the variable at each connection. */
function trustEverybody() {
  const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  afterwards(async () => {
    if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
  })
}

const key = { apiKey: 'sk_test_secret', apiVersion: null, account: '' }

test("Stripe's API key goes to no server that is not trusted, directly or through a proxy", async () => {
  trustEverybody()
  const { told, port } = await startUntrusted()
  const base = `https://127.0.0.1:${port}`
  expect(await createStripeApi({ base }).readObject(key, '/v1/prices/p')).toMatchObject({ kind: 'trouble' })
  const proxied = createStripeApi({ base, tunnels: createTunnels({ url: base, exceptions: [] }), timeoutMs: 3_000 })
  expect(await proxied.readObject(key, '/v1/prices/p')).toMatchObject({ kind: 'trouble' })
  expect(told).toEqual([])
})

test('a receiver is sent nothing', async () => {
  trustEverybody()
  const { told, port } = await startUntrusted()
  const sender = createSender({
    allowedSubnets: ['127.0.0.0/8'],
    now: () => new Date(),
    names: namesFrom(async () => []),
  })
  afterwards(sender.closeConnections)
  const post = { clientId: 'a', path: '/', headers: {}, body: '{}', timeoutMs: 5_000, identity: null, onSlow() {} }
  const { outcome } = await sender.sendPost({ ...post, origin: `https://127.0.0.1:${port}` })
  expect(outcome).toMatchObject({ reason: 'tls' })
  expect(told).toEqual([])
})

test('a collector of traces is sent nothing', async () => {
  trustEverybody()
  const { told, port } = await startUntrusted()
  const spans = createSpanSender({ url: `https://127.0.0.1:${port}`, serviceName: 'test', version: '1.0.0', share: 1 })
  const span = {
    name: 'one',
    kind: 'internal',
    traceId: '1'.repeat(32),
    startedAt: 1,
    endedAt: 2,
    attributes: {},
  } as const
  spans.sendSpan(span)
  await spans.stop().catch(() => {})
  expect(told).toEqual([])
})

test('PostgreSQL is told no password, unless the URL itself turns verification off', async () => {
  trustEverybody()
  const started: string[] = []
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write('S')
      const secure = new TLSSocket(socket, { isServer: true, ...certified })
      secure
        .on('error', () => {})
        .once('data', (bytes) => {
          started.push(bytes.toString('latin1'))
          socket.destroy()
        })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(async () => server.close())
  const { port } = server.address() as AddressInfo
  for (const [mode, isTold] of [
    ['verify-full', false],
    ['require', false],
    ['no-verify', true],
  ] as const) {
    const pool = openPool(`postgres://user:password@127.0.0.1:${port}/name?sslmode=${mode}`)
    await expect(pool.query('select 1')).rejects.toThrow()
    await pool.end()
    expect([mode, started.splice(0).length > 0]).toEqual([mode, isTold])
  }
})
