import { expect, test } from 'vitest'
import { startHttpServer } from '../../src/network/http-server.ts'
import { afterwards } from '../support/afterwards.ts'
import { eventually } from '../support/eventually.ts'
import { raw, replies } from '../support/raw.ts'

const http = await startHttpServer({ host: '127.0.0.1', port: 0, requestMs: 600 })
afterwards(http.drain)
http.serveApp(async (req, res) => {
  try {
    let bytes = 0
    for await (const chunk of req) bytes += chunk.length
    res.end(String(bytes))
  } catch {
    res.destroy()
  }
})

/** A piece now and then, for ever. */
function* dribbled(head: string, piece: string) {
  yield head
  for (;;) yield piece
}

test.each([
  ['its head', dribbled('POST / HTTP/1.1\r\nhost: x\r\n', 'x: y\r\n')],
  ['its body', dribbled('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n', 'x')],
  ['its chunks', dribbled('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n', '1\r\nx\r\n')],
])(
  'a sender that dribbles %s is told that it was too slow, and cut off; others are answered meanwhile',
  async (_, pieces) => {
    const dribbling = raw(http.url, pieces, { pauseMs: 40 })
    // On a busy machine one may be taken for too slow as well.
    await eventually(async () => (await (await fetch(http.url, { method: 'POST', body: 'xyz' })).text()) === '3')
    const { status, body } = await dribbling
    expect([status, body.error]).toEqual([
      408,
      { code: 'request_timeout', message: expect.any(String), requestId: expect.any(String), details: [] },
    ])
  },
)

test('garbage behind an answer that has begun ends the connection, and is not mixed into the answer', async () => {
  const slow = await startHttpServer({ host: '127.0.0.1', port: 0 })
  afterwards(slow.drain)
  slow.serveApp((_req, res) => {
    res.writeHead(200, { 'content-length': '10' })
    res.write('half')
    setTimeout(() => res.end('behind'), 100)
  })
  const { status, text } = await raw(slow.url, 'GET / HTTP/1.1\r\nhost: x\r\n\r\nno HTTP\r\n\r\n', { patienceMs: 2000 })
  expect(text).not.toContain('malformed_request')
  expect([0, 200]).toContain(status)
})

test('several replies on one connection are told apart', () => {
  const one = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'
  expect(replies(`${one}${one}HTTP/1.1 404 Not`).map(({ status, body }) => [status, body])).toEqual([
    [200, {}],
    [200, {}],
  ])
})
