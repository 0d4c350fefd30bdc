import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { noteProof } from '../../src/network/connections.ts'
import { type HttpServerOptions, startHttpServer } from '../../src/network/http-server.ts'
import { afterwards } from '../support/afterwards.ts'
import { eventually } from '../support/eventually.ts'

/** Between openings: what was opened a moment ago is not cut for the next one. */
const NOT_NEW = { everyMs: 250 }
const GET = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'

async function serve(app: RequestListener, options: Partial<HttpServerOptions> = {}) {
  const http = await startHttpServer({ host: '127.0.0.1', port: 0, ...options })
  afterwards(http.drain)
  http.serveApp(app)
  return http.url
}

/** A connection whose bytes the test reads, or does not. */
async function open(url: string, text = '', { reads = true } = {}) {
  const socket: Socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1' })
  afterwards(async () => void socket.destroy())
  const seen = { text: '', isClosed: false }
  socket.on('error', () => {})
  socket.once('close', () => {
    seen.isClosed = true
  })
  if (reads) socket.on('data', (bytes) => (seen.text += bytes))
  await once(socket, 'connect')
  if (text) socket.write(text)
  return { socket, seen }
}

test('requests that are sent ahead on one connection are answered one at a time, in their order', async () => {
  let [underWay, most] = [0, 0]
  const url = await serve((req, res) => {
    most = Math.max(most, ++underWay)
    setTimeout(() => {
      underWay -= 1
      res.end(req.url)
    }, 5)
  })
  const paths = Array.from({ length: 20 }, (_, at) => `/${at}`)
  const { seen } = await open(url, paths.map((path) => GET.replace('/', path)).join(''))
  await eventually(() => expect(seen.text.match(/^\/\d+(?=HTTP|$)/gm)?.length).toBe(20))
  expect([most, seen.text.match(/^\/\d+/gm)]).toEqual([1, paths])
  // The connection reads on.
  const { seen: later, socket } = await open(url, GET)
  await eventually(() => expect(later.text).toContain('200 OK'))
  socket.write(GET)
  await eventually(() => expect(later.text.match(/200 OK/g)?.length).toBe(2))
})

test('a body behind requests that were sent ahead arrives whole', async () => {
  const url = await serve(async (req, res) => {
    let bytes = 0
    for await (const chunk of req) bytes += chunk.length
    setTimeout(() => res.end(`${bytes};`), 5)
  })
  const body = 'x'.repeat(500_000)
  const post = `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  const { seen } = await open(url, `${GET}${GET}${post}${GET}`)
  await eventually(() => expect(seen.text.match(/\d+;/g)).toEqual(['0;', '0;', '500000;', '0;']))
})

test('of thousands of heads that arrive in one go a few become requests, and the connection is cut', async () => {
  let made = 0
  const countMade = () => {
    made += 1
  }
  subscribe('http.server.request.start', countMade)
  afterwards(async () => void unsubscribe('http.server.request.start', countMade))
  const url = await serve((_req, res) => void setTimeout(() => res.end('x'), 5))
  const floods = await Promise.all(Array.from({ length: 10 }, () => open(url, GET.repeat(2_000))))
  await eventually(() => expect(floods.every(({ seen }) => seen.isClosed)).toBe(true))
  expect(made).toBeLessThanOrEqual(10 * 40)
  // What parsed them serves others afterwards.
  for (let again = 0; again < 20; again += 1) expect(await (await fetch(url)).text()).toBe('x')
})

const CHUNKED = 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n'

test('a body of thousands of tiny chunks is cut, whether it is read or not; one of many small ones is taken', async () => {
  let pieces = 0
  const url = await serve(async (req, res) => {
    if (req.url === '/unread') return void res.end('x')
    let bytes = 0
    req.on('error', () => {})
    req.on('data', (piece) => {
      pieces += 1
      bytes += piece.length
    })
    req.on('end', () => res.end(`${bytes}`))
  })
  const { seen: tiny } = await open(url, CHUNKED + '1\r\nx\r\n'.repeat(20_000))
  const { seen: unread } = await open(url, CHUNKED.replace('/', '/unread') + '1\r\nx\r\n'.repeat(100))
  await eventually(() => expect([tiny.isClosed, unread.isClosed]).toEqual([true, true]))
  expect(pieces).toBeLessThanOrEqual(1_000)
  const small = `64\r\n${'x'.repeat(100)}\r\n`.repeat(5_000)
  const { seen } = await open(url, `${CHUNKED}${small}0\r\n\r\n`)
  await eventually(() => expect(seen.text).toContain('500000'))
  const { seen: few } = await open(url, `${CHUNKED}${'1\r\nx\r\n'.repeat(900)}0\r\n\r\n`)
  await eventually(() => expect(few.text).toContain('900'))
  // What parsed the ones that were cut reads other bodies afterwards.
  const posts = Array.from({ length: 20 }, () => fetch(url, { method: 'POST', body: 'x'.repeat(70_000) }))
  for (const reply of await Promise.all(posts)) expect(await reply.text()).toBe('70000')
})

test('whoever sends ahead and does not read costs one answer, and is cut', async () => {
  let asked = 0
  const url = await serve((_req, res) => {
    asked += 1
    res.end(Buffer.alloc(8 * 1024 * 1024))
  })
  const { seen } = await open(url, GET.repeat(1_000), { reads: false })
  const { socket: few } = await open(url, GET.repeat(20), { reads: false })
  await eventually(() => expect(asked).toBeGreaterThanOrEqual(2))
  await eventually(async () => expect((await (await fetch(url)).arrayBuffer()).byteLength).toBe(8 * 1024 * 1024))
  // One for each of them, at most, beside what was fetched.
  expect(asked).toBeLessThanOrEqual(3 + 2)
  few.destroy()
  expect(seen).toBeDefined()
})

test('an answer that is not taken is given up, however it is not taken', async () => {
  const cut: string[] = []
  const url = await serve(
    (req, res) => {
      res.once('close', () => void (res.writableFinished || cut.push(String(req.url))))
      res.end(Buffer.alloc(16 * 1024 * 1024))
    },
    { stalledMs: 300, writeMs: 900 },
  )
  await open(url, GET.replace('/', '/never'), { reads: false })
  const { socket } = await open(url, GET.replace('/', '/slowly'), { reads: false })
  const reader = setInterval(() => socket.read(2_000), 50)
  await eventually(() => expect(cut.toSorted()).toEqual(['/never', '/slowly']))
  clearInterval(reader)
  expect((await (await fetch(url)).arrayBuffer()).byteLength).toBe(16 * 1024 * 1024)
})

/** An app in which the path says what the sender proves; `/…/wait` is answered when the test says so. */
function provingApp() {
  const answers: (() => void)[] = []
  const app: RequestListener = (req, res) => {
    const path = req.url ?? ''
    if (path.includes('key')) noteProof(req, 'key')
    if (path.includes('signed')) noteProof(req, 'webhook')
    if (path.endsWith('wait')) answers.push(() => res.end(path))
    else res.end(path)
  }
  return { app, answers }
}

test('at the limit of all connections idle and keyless ones are cut first, and never one with a webhook', async () => {
  const { app, answers } = provingApp()
  const url = await serve(app, { maxConnections: 10 })
  const ask = async (path: string) => {
    const before = answers.length
    const connection = await open(url, GET.replace('/', path))
    await eventually(() => {
      if (path.endsWith('wait')) expect(answers.length).toBe(before + 1)
      else expect(connection.seen.text).toContain('200 OK')
      return true
    })
    return connection.seen
  }
  const webhooks = [await ask('/webhooks/signed/wait'), await ask('/webhooks/signed/wait')]
  const keyed = await ask('/key/wait')
  const idle = [await open(url), await open(url, 'GET / HT'), await open(url)]
  const lesser = [await ask('/key'), await ask('/anything/wait')]
  const isClosed = (seen: readonly { isClosed: boolean }[]) => seen.map((one) => one.isClosed)
  // Idle ones come and go: others of their kind make room for them.
  await eventually(async () => {
    await open(url)
    expect(isClosed(idle.map(({ seen }) => seen))).toEqual([true, true, true])
    return true
  })
  expect(isClosed([...webhooks, keyed])).toEqual([false, false, false])
  // What is idle or has no key makes room for webhooks; then connections beyond the limit are let in.
  const more: { text: string; isClosed: boolean }[] = []
  while (more.length < 12) more.push(await ask('/webhooks/signed/wait'))
  await eventually(() => expect(isClosed(lesser)).toEqual([true, true]))
  for (const answer of answers) answer()
  await eventually(() => expect([...webhooks, ...more].every(({ text }) => text.includes('200 OK'))).toBe(true))
})

test('an address has a limit of its own where it is the sender’s, and none where a proxy shows itself', async () => {
  const url = await serve(provingApp().app, { maxConnectionsPerAddress: 5 })
  const direct: Awaited<ReturnType<typeof open>>[] = []
  for (let more = 0; more < 12; more++) direct.push(await open(url))
  await eventually(async () => {
    direct.push(await open(url))
    return direct.filter(({ seen }) => !seen.isClosed).length <= 6
  }, NOT_NEW)
  const forwarded = 'GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.9\r\n\r\n'
  const behind: Awaited<ReturnType<typeof open>>[] = []
  for (let more = 0; more < 12; more++) {
    behind.push(await open(url, forwarded))
    await eventually(() => expect(behind.at(-1)?.seen.text).toContain('200 OK'))
  }
  expect(behind.filter(({ seen }) => !seen.isClosed).length).toBe(12)
})

test('what a trusted proxy says of an address holds, what anybody else says does not', async () => {
  const { app, answers } = provingApp()
  const url = await serve(app, { maxConnectionsPerAddress: 3, trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] })
  const statusOf = async (path: string, chain: string) => {
    const { seen } = await open(url, `GET ${path} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: ${chain}\r\n\r\n`)
    if (!path.endsWith('wait')) await eventually(() => expect(seen.text).toMatch(/^HTTP\/1.1 \d+/))
    return seen.text.slice(9, 12)
  }
  // The last hop that is no proxy counts, not what the sender has made up before it.
  for (let more = 0; more < 3; more++) await statusOf('/wait', `198.51.100.${more}, 203.0.113.9, 10.1.1.1`)
  await eventually(() => expect(answers.length).toBe(3))
  expect(await statusOf('/', '1.1.1.1, 203.0.113.9')).toBe('503')
  expect(await statusOf('/webhooks/x', '203.0.113.9')).toBe('200')
  expect(await statusOf('/', '203.0.113.10')).toBe('200')
  for (const answer of answers) answer()
  await eventually(async () => expect(await statusOf('/', '203.0.113.9')).toBe('200'))

  const other = await serve(provingApp().app, { maxConnectionsPerAddress: 3, trustedProxies: ['10.0.0.0/8'] })
  const untrusted: Awaited<ReturnType<typeof open>>[] = []
  for (let more = 0; more < 8; more++)
    untrusted.push(await open(other, `GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.${more}\r\n\r\n`))
  await eventually(async () => {
    untrusted.push(await open(other))
    return untrusted.filter(({ seen }) => !seen.isClosed).length <= 4
  }, NOT_NEW)
})
