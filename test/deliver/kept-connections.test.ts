import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createServer as createTlsServer, TLSSocket } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import { filterAnswers } from '../../src/deliver/attempt/answer-filter.ts'
import { unreachableOutcome } from '../../src/deliver/attempt/network-errors.ts'
import { createSender } from '../../src/deliver/attempt/send-post.ts'
import { afterwards } from '../support/afterwards.ts'
import { certificate } from '../support/certificates.ts'
import { namesFrom } from '../support/delivering.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const IDLE_408 = 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'

const authority = certificate({ name: 'An authority', ca: true })
const certified = certificate({ name: 'receiver', by: authority, hosts: ['receiver.test'], use: 'server' })
const identity = { id: 'one', ca: authority.cert }

const sender = createSender({
  allowedSubnets: ['127.0.0.0/8'],
  now: () => new Date(),
  names: namesFrom(async () => [{ address: '127.0.0.1', family: 4 }]),
})
afterAll(() => sender.closeConnections())

/** What a receiver does with its `count`th request, the `onConnection`th of that connection. */
type Behaviour = (socket: Socket, counts: { count: number; onConnection: number }) => void

async function startRaw(behave: Behaviour, { tls = false } = {}) {
  const requests: string[] = []
  let connections = 0
  const serve = (socket: Socket) => {
    connections += 1
    let onConnection = 0
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      onConnection += 1
      behave(socket, { count: requests.push(bytes.toString()), onConnection })
    })
  }
  const server = tls ? createTlsServer(certified, serve) : createServer(serve)
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterwards(async () => server.close())
  const { port } = server.address() as AddressInfo
  return { requests, port, countConnections: () => connections }
}

const send = ({ port }: { port: number }, { host = '127.0.0.1', tls = false, timeoutMs = 10_000, by = sender } = {}) =>
  by.sendPost({
    clientId: 'a',
    origin: `${tls ? 'https' : 'http'}://${host}:${port}`,
    path: '/hook',
    headers: { 'content-type': 'application/json' },
    body: '{}',
    timeoutMs,
    identity: tls ? identity : null,
    onSlow() {},
  })

/** Sends, and lets the event loop turn: a connection is used again no earlier. */
const sendAndRest = async (receiver: { port: number }, by = sender) => {
  await send(receiver, { by })
  await delay(50)
}

describe('interim answers that nobody asked for are skipped, and the final status counts', () => {
  test.each([
    ['100 Continue', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['102 Processing', 'HTTP/1.1 102 Processing\r\n\r\n'],
    ['103 with headers', 'HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\ncontent-length: 9\r\n\r\n'],
    ['several, one of HTTP/1.0', 'HTTP/1.1 103 A\r\n\r\nHTTP/1.0 100 B\r\nx: 100\r\n\r\nHTTP/1.1 199 C\r\n\r\n'],
    ['bare line feeds', 'HTTP/1.1 100 Continue\n\n'],
  ])('%s', async (_, interim) => {
    const whole = await startRaw((socket) => socket.write(interim + OK))
    const apart = await startRaw(async (socket) => {
      for (const piece of (interim + OK).match(/[\s\S]{1,7}/g) ?? []) {
        socket.write(piece)
        await delay(1)
      }
    })
    for (const receiver of [whole, apart])
      for (let times = 0; times < 3; times++)
        expect(await send(receiver)).toMatchObject({ outcome: { kind: 'delivered', status: 200 }, body: 'ok' })
    // Connections are kept, and nothing was sent twice.
    expect(whole.countConnections()).toBeLessThan(3)
    expect([whole.requests.length, apart.requests.length]).toEqual([3, 3])
  })

  test('a failure after one is a failure', async () => {
    const receiver = await startRaw((socket) =>
      socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n'),
    )
    expect((await send(receiver)).outcome).toMatchObject({ kind: 'refused', status: 500 })
  })

  test('101, after which no HTTP follows, ends the attempt and says so', async () => {
    const receiver = await startRaw((socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'))
    expect((await send(receiver)).outcome).toMatchObject({
      reason: 'connection',
      message: expect.stringContaining('101'),
    })
  })
})

describe('an answer that goes on and on is cut, whatever it repeats', () => {
  const MOST_BYTES = 2 * 1024 * 1024

  /** Writes a beginning, and then the same again and again as fast as it is taken; counts what was. */
  async function startEndless(beginning: string, again: string) {
    const chunk = again.repeat(Math.ceil(16_384 / again.length))
    let written = 0
    const receiver = await startRaw((socket) => {
      socket.write(beginning)
      const flood = () => {
        // A guard: a gateway that reads on would be written to for ever.
        while (!socket.destroyed && written < 50 * MOST_BYTES) {
          written += chunk.length
          if (!socket.write(chunk)) return void socket.once('drain', flood)
        }
      }
      flood()
    })
    return { ...receiver, countTaken: () => written }
  }

  test.each([
    ['interim answers', '', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'],
    ['headers of an interim answer', 'HTTP/1.1 103 Early Hints\r\n', 'a: b\r\n'],
    ['a status line', 'HTTP/1.1 200 ', 'OK'],
    ['headers', 'HTTP/1.1 200 OK\r\n', 'a: b\r\n'],
    ['empty lines', '', '\r\n'],
  ])('%s', async (_, beginning, again) => {
    const receiver = await startEndless(beginning, again)
    expect((await send(receiver)).outcome).toMatchObject({ kind: 'unreachable', reason: 'connection' })
    // What the kernel buffers is taken as well.
    expect(receiver.countTaken()).toBeLessThan(10 * MOST_BYTES)
  })

  test.each([
    ['chunk extensions', '1;a=', 'b'],
    ['chunks of one byte', '', '1\r\nx\r\n'],
    ['trailers', '0\r\n', 'a: b\r\n'],
  ])('%s: the status has been said and counts', async (_, beginning, again) => {
    const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
    const receiver = await startEndless(head + beginning, again)
    expect((await send(receiver)).outcome).toMatchObject({ kind: 'delivered', status: 200 })
    expect(receiver.countTaken()).toBeLessThan(10 * MOST_BYTES)
  })
})

// A TLS socket cannot send a reset: it ends without TLS's own farewell.
const reset = (socket: Socket) => (socket instanceof TLSSocket ? socket.destroy() : socket.resetAndDestroy())

describe('what a kept connection loses before a byte of an answer came is sent once more', () => {
  const ways: Record<string, (socket: Socket) => void> = {
    closes: (socket) => socket.end(),
    resets: reset,
    'sends 408': (socket) => socket.end(IDLE_408),
    'sends 408 and resets': (socket) => socket.write(IDLE_408, () => reset(socket)),
  }

  test.each(Object.keys(ways).flatMap((way) => [false, true].map((tls) => ({ way, tls }))))(
    'by a receiver that $way while it is idle (TLS: $tls)',
    async ({ way, tls }) => {
      const receiver = await startRaw(
        (socket, { count }) => {
          socket.write(OK)
          setTimeout(() => ways[way]?.(socket), count % 4)
        },
        { tls },
      )
      for (let times = 0; times < 40; times++) {
        const { outcome } = await send(receiver, { tls, host: 'receiver.test' })
        expect(outcome).toEqual({ kind: 'delivered', status: 200 })
        await delay(times % 5)
      }
    },
  )

  test.each(['closes', 'resets'])('by a receiver that %s at the second request of each connection', async (way) => {
    const receiver = await startRaw((socket, { onConnection }) => {
      if (onConnection === 1) socket.write(OK)
      else ways[way]?.(socket)
    })
    for (let times = 0; times < 6; times++) expect((await send(receiver)).outcome.kind).toBe('delivered')
  })

  test('once, and at the same moment; on a new connection never', async () => {
    const silent = await startRaw((socket, { count }) => {
      if (count === 1) socket.write(OK)
      else socket.end()
    })
    await sendAndRest(silent)
    expect(await send(silent)).toMatchObject({ outcome: { reason: 'connection' }, wasSentAgain: true })
    // The second was sent once more, and then given up.
    expect(silent.requests).toHaveLength(3)
    expect(await send(silent)).toMatchObject({ outcome: { reason: 'connection' }, wasSentAgain: false })
    expect(silent.requests).toHaveLength(4)
  })

  test('not when a part of an answer came, or when the receiver is only slow', async () => {
    const partial = await startRaw((socket, { count }) => {
      if (count === 1) socket.write(OK)
      else socket.end('HTTP/1.1 20')
    })
    await sendAndRest(partial)
    expect((await send(partial)).outcome).toMatchObject({ reason: 'connection' })
    const hanging = await startRaw((socket, { count }) => {
      if (count === 1) socket.write(OK)
    })
    await sendAndRest(hanging)
    expect((await send(hanging, { timeoutMs: 300 })).outcome).toMatchObject({ reason: 'timeout' })
    expect([partial.requests.length, hanging.requests.length]).toEqual([2, 2])
  })

  test('408 that leaves the connection open is the answer', async () => {
    const receiver = await startRaw((socket, { count }) =>
      socket.write(count === 1 ? OK : 'HTTP/1.1 408 Too slow\r\ncontent-length: 0\r\n\r\n'),
    )
    await sendAndRest(receiver)
    expect(await send(receiver)).toMatchObject({ outcome: { kind: 'refused', status: 408 }, wasSentAgain: false })
    expect(receiver.requests).toHaveLength(2)
  })

  test('not what we cut ourselves', async () => {
    const own = createSender({
      allowedSubnets: ['127.0.0.0/8'],
      now: () => new Date(),
      names: namesFrom(async () => [{ address: '127.0.0.1', family: 4 }]),
    })
    const receiver = await startRaw((socket, { count }) => {
      if (count === 1) socket.write(OK)
      else void own.closeConnections()
    })
    await sendAndRest(receiver, own)
    const { outcome, wasSentAgain } = await send(receiver, { by: own })
    expect(outcome).toMatchObject({ reason: 'connection' })
    await delay(50)
    expect([receiver.requests.length, receiver.countConnections()]).toEqual([2, 1])
    expect(wasSentAgain).toBe(false)
  })

  test('408 on a new connection is the answer', async () => {
    const receiver = await startRaw((socket) => socket.end(IDLE_408))
    expect((await send(receiver)).outcome).toMatchObject({ kind: 'refused', status: 408 })
    expect(receiver.requests).toHaveLength(1)
  })
})

test('tickets of TLS without end, which are no part of an answer, end the connection', async () => {
  const { port } = await startRaw(() => {})
  const socket = connect({ host: '127.0.0.1', port })
  afterwards(async () => void socket.destroy())
  const failed = once(socket, 'error')
  const answers = filterAnswers(socket)
  const getTickets = (count: number) => Array.from({ length: count }, () => socket.emit('session', Buffer.alloc(1)))
  getTickets(30)
  answers.beginAnswer()
  getTickets(30)
  expect(socket.destroyed).toBe(false)
  getTickets(30)
  expect(socket.destroyed).toBe(true)
  const [error] = await failed
  expect(unreachableOutcome(error)).toMatchObject({
    reason: 'connection',
    message: expect.stringContaining('too large'),
  })
})

test.each([
  ['another protocol', '220 mail ready\r\n', 'is not HTTP/1.1'],
  ['HTTP/2', 'HTTP/2 200\r\n\r\n', 'is not HTTP/1.1'],
  ['a status below 100', 'HTTP/1.1 099 X\r\n\r\n', 'is not HTTP/1.1'],
  ['a NUL in a header', 'HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n', 'is not HTTP/1.1'],
  ['bare line feeds', 'HTTP/1.1 200 OK\ncontent-length: 0\n\n', 'is not HTTP/1.1'],
  ['a length twice', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok', 'The Content-Length'],
  [
    'a length and chunks',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    'The Content-Length',
  ],
])('an answer that is none says what is wrong with it: %s', async (_, answer, message) => {
  const { outcome } = await send(await startRaw((socket) => socket.write(answer)))
  expect(outcome).toMatchObject({
    kind: 'unreachable',
    reason: 'connection',
    message: expect.stringContaining(message),
  })
})

test('an answer that came while this process stood still is no time-out', async () => {
  // Another process answers while this one does nothing.
  const receiver = spawn(process.execPath, [
    '-e',
    `const { createServer } = require('node:net')
     const server = createServer((socket) => socket.on('error', () => {}).once('data', () =>
       setTimeout(() => socket.end(${JSON.stringify(OK)}), 500)))
     server.listen(0, '127.0.0.1', () => console.log(server.address().port))`,
  ])
  afterwards(async () => void receiver.kill())
  const [line] = await once(receiver.stdout, 'data')
  const answer = send({ port: Number(line) }, { timeoutMs: 1_500 })
  await delay(200)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000)
  expect((await answer).outcome).toEqual({ kind: 'delivered', status: 200 })
})

test('a name with the dot of the root is asked for, and called, without it', async () => {
  let asked: string | undefined
  let host: string | undefined
  const noteName = (name: string, use: (error: null) => void) => {
    asked = name
    use(null)
  }
  const server = createTlsServer({ ...certified, SNICallback: noteName }, (socket) =>
    socket
      .on('error', () => {})
      .on('data', (bytes) => {
        host = /^host: (.*)$/im.exec(bytes.toString())?.[1]
        socket.end(OK)
      }),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterwards(async () => server.close())
  const { port } = server.address() as AddressInfo
  const answer = await send({ port }, { tls: true, host: 'receiver.test.' })
  expect(answer.outcome).toMatchObject({ kind: 'delivered' })
  expect(asked).toBe('receiver.test')
  expect(host).toBe(`receiver.test:${port}`)
})

describe('what is kept of a body ends at a whole character', () => {
  const answering = (type: string, body: Buffer, status = 200) =>
    startRaw((socket) => {
      socket.write(`HTTP/1.1 ${status} X\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`)
      socket.write(body)
    })

  test.each([
    ['UTF-8, two bytes', 'text/plain', Buffer.from(`x${'ä'.repeat(600)}`), `x${'ä'.repeat(511)}`],
    ['UTF-8, three bytes', 'text/plain', Buffer.from('€'.repeat(600)), '€'.repeat(341)],
    ['UTF-8, a surrogate pair in UTF-16', 'text/plain', Buffer.from(`x${'😀'.repeat(600)}`), `x${'😀'.repeat(255)}`],
    [
      'UTF-16',
      'text/plain; charset="utf-16le"',
      Buffer.from(`x${'😀'.repeat(600)}`, 'utf16le'),
      `x${'😀'.repeat(255)}`,
    ],
    ['Latin-1', 'text/plain; charset=iso-8859-1', Buffer.from('ä'.repeat(2_000), 'latin1'), 'ä'.repeat(1_024)],
    ['a charset that is none', 'text/plain; charset=x-none', Buffer.from('äö'), 'äö'],
  ])('%s', async (_, type, body, kept) => {
    expect((await send(await answering(type, body))).body).toBe(kept)
  })

  test('where the receiver breaks off too, while what is broken in a whole body is shown', async () => {
    const half = Buffer.from('ä'.repeat(5)).subarray(0, 9)
    const breaking = await startRaw((socket) =>
      socket.write(Buffer.concat([Buffer.from('HTTP/1.1 500 X\r\ncontent-length: 99\r\n\r\n'), half]), () =>
        setTimeout(() => socket.destroy(), 20),
      ),
    )
    expect((await send(breaking)).body).toBe('ä'.repeat(4))
    expect((await send(await answering('text/plain', half, 500))).body).toBe(`${'ä'.repeat(4)}\uFFFD`)
  })
})
