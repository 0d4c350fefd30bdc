import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { serveStatic } from '../../src/network/static-content.ts'
import { afterwards } from '../support/afterwards.ts'

const TEXT = 'what never changes '.repeat(1_000)
const server = createServer(serveStatic(TEXT, { 'content-type': 'text/plain' }))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
afterwards(() => new Promise((resolve) => server.close(resolve)))

const ask = (headers: Record<string, string>, method = 'GET') =>
  new Promise<{ status: number | undefined; headers: NodeJS.Dict<string | string[]>; bytes: Buffer }>(
    (resolve, reject) => {
      const { port } = server.address() as AddressInfo
      get({ port, host: '127.0.0.1', method, headers, agent: false }, async (res) => {
        const bytes = Buffer.concat(await res.toArray())
        resolve({ status: res.statusCode, headers: res.headers, bytes })
      }).on('error', reject)
    },
  )

test.each<[string, string | undefined, (bytes: Buffer) => Buffer]>([
  ['br, gzip', 'br', brotliDecompressSync],
  ['gzip;q=1.0, br;q=0', 'gzip', gunzipSync],
  ['GZIP', 'gzip', gunzipSync],
  ['*', 'br', brotliDecompressSync],
  ['br;q=0, *;q=0.5', 'gzip', gunzipSync],
  ['identity', undefined, (bytes) => bytes],
  ['', undefined, (bytes) => bytes],
  [`${'x,'.repeat(5_000)}br`, undefined, (bytes) => bytes],
])('what is static comes as the caller takes it: %.20s', async (accept, encoding, decode) => {
  const { status, headers, bytes } = await ask({ 'accept-encoding': accept })
  expect([status, headers['content-encoding'], headers.vary]).toEqual([200, encoding, 'accept-encoding'])
  expect(decode(bytes).toString()).toBe(TEXT)
  expect(headers['content-length']).toBe(String(bytes.length))
})

test('who has it already is told so, in each encoding by itself', async () => {
  const plain = await ask({})
  const packed = await ask({ 'accept-encoding': 'br' })
  expect(plain.headers.etag).not.toBe(packed.headers.etag)
  const again = await ask({ 'accept-encoding': 'br', 'if-none-match': `"old", W/${packed.headers.etag}` })
  expect([again.status, again.bytes.length]).toEqual([304, 0])
  expect((await ask({ 'if-none-match': String(packed.headers.etag) })).status).toBe(200)
  const head = await ask({ 'accept-encoding': 'br' }, 'HEAD')
  expect([head.headers['content-length'], head.bytes.length]).toEqual([String(packed.bytes.length), 0])
})

test('a thousand answers hold one buffer', async () => {
  const sent = new Set<unknown>()
  const answer = serveStatic(TEXT, {})
  for (let at = 0; at < 1_000; at++)
    await answer(
      { method: 'GET', headers: { 'accept-encoding': 'gzip' } } as never,
      { setHeader() {}, writeHead: () => ({ end: (bytes: unknown) => sent.add(bytes) }) } as never,
    )
  expect(sent.size).toBe(1)
})
