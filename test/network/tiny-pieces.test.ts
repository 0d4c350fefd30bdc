import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startHttpServer } from '../../src/network/http-server.ts'
import { afterwards } from '../support/afterwards.ts'
import { eventually } from '../support/eventually.ts'

const HEAD = 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n'
const TINY = '1\r\nx\r\n'
const END = '0\r\n\r\n'

/** Counts what Node's parsers make of bodies: each piece is a buffer and a call. */
function countPieces() {
  const counted = { pieces: 0 }
  const patched = new WeakSet()
  const onStart = (message: unknown) => {
    const { parser } = (message as { socket: { parser?: Record<string, unknown> } }).socket
    const key = Object.keys(parser ?? {}).find(
      (name) => (parser?.[name] as { name?: string } | null)?.name === 'parserOnBody',
    )
    if (!parser || !key || patched.has(parser)) return
    patched.add(parser)
    const onBody = parser[key] as (bytes: Buffer) => void
    parser[key] = function parserOnBody(bytes: Buffer) {
      counted.pieces += 1
      return onBody.call(this, bytes)
    }
  }
  subscribe('http.server.request.start', onStart)
  afterwards(async () => void unsubscribe('http.server.request.start', onStart))
  return counted
}

async function serve(app: RequestListener) {
  const http = await startHttpServer({ host: '127.0.0.1', port: 0 })
  afterwards(http.drain)
  http.serveApp(app)
  return http.url
}

const answerWithSum: RequestListener = (req, res) => {
  let bytes = 0
  req.on('error', () => {})
  req.on('data', (piece) => {
    bytes += piece.length
  })
  req.on('end', () => res.end(`${bytes} bytes`))
}

/** Writes the parts one after the other on one connection. */
async function send(url: string, parts: readonly string[]) {
  const socket: Socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', noDelay: true })
  afterwards(async () => void socket.destroy())
  const seen = { text: '', isClosed: false }
  socket.on('error', () => {})
  socket.once('close', () => {
    seen.isClosed = true
  })
  socket.on('data', (bytes) => (seen.text += bytes))
  await once(socket, 'connect')
  for (const part of parts) {
    socket.write(part)
    await delay(30)
  }
  return seen
}

const FLOOD = TINY.repeat(20_000)
const floods: Record<string, string[]> = {
  'in one go with the head': [HEAD + FLOOD],
  'after the head': [HEAD, FLOOD],
  'after some chunks that are none': [`${HEAD}400\r\n${'x'.repeat(1024)}\r\n`, FLOOD],
  'behind an honest body on the same connection': [HEAD + TINY + END + HEAD + FLOOD],
  'with extensions': [HEAD + '1;a=b\r\nx\r\n'.repeat(20_000)],
  'in a body that nobody reads': [HEAD.replace('/', '/unread'), FLOOD],
  'after the answer': [HEAD.replace('/', '/unread') + TINY, TINY, FLOOD],
}

test.each(Object.entries(floods))(
  'of tiny chunks that come %s, no more is parsed than is taken of a body',
  async (_, parts) => {
    const counted = countPieces()
    const url = await serve((req, res) => (req.url === '/unread' ? void res.end('x') : answerWithSum(req, res)))
    const sent = await Promise.all(Array.from({ length: 10 }, () => send(url, parts)))
    await eventually(() => expect(sent.every(({ isClosed }) => isClosed)).toBe(true))
    expect(counted.pieces / sent.length).toBeLessThanOrEqual(1_000 + 400)
  },
)

const honest: Record<string, [string[], number]> = {
  'a thousand tiny ones': [[HEAD + TINY.repeat(1_000) + END], 1_000],
  'many of a hundred bytes': [[HEAD, `64\r\n${'x'.repeat(100)}\r\n`.repeat(5_000) + END], 500_000],
  'one that holds empty lines and numbers': [
    [`${HEAD}${(100_000).toString(16)}\r\n${'1\r\n\r\n'.repeat(20_000)}\r\n`, END],
    100_000,
  ],
  'large ones': [[HEAD + `fffe\r\n${'x'.repeat(65_534)}\r\n`.repeat(20), END], 20 * 65_534],
  'cut anywhere by the network': [
    [HEAD.slice(0, 20), `${HEAD.slice(20)}1`, '0\r', `\n${'x'.repeat(15)}`, `x\r\n0\r\n`, '\r\n'],
    16,
  ],
}

test.each(Object.entries(honest))('a body of chunks is taken whole: %s', async (_, [parts, bytes]) => {
  const url = await serve(answerWithSum)
  // Twice on one connection: it reads on afterwards.
  const seen = await send(url, [...parts, ...parts])
  await eventually(() => expect(seen.text.match(/\d+ bytes/g)).toEqual([`${bytes} bytes`, `${bytes} bytes`]))
})

test('bodies of chunks that were sent ahead are answered in turn, each whole', async () => {
  const url = await serve((req, res) => setTimeout(() => answerWithSum(req, res), 5))
  const bodies = Array.from({ length: 20 }, (_, at) => HEAD + TINY.repeat(10 * at + 1) + END)
  const seen = await send(url, [bodies.join('')])
  await eventually(() => expect(seen.text.match(/\d+ bytes/g)).toEqual(bodies.map((_, at) => `${10 * at + 1} bytes`)))
})
