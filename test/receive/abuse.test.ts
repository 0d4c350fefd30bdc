import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { countSockets } from '../../bench/sockets.ts'
import { newId } from '../../src/domain/ids.ts'
import { refusalCodes } from '../../src/errors.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'
import { call, runGateway } from '../support/program.ts'
import { raw, replies } from '../support/raw.ts'
import { startReceiver } from '../support/receiver.ts'
import type { WebhookAnswer } from '../support/receiving.ts'
import { signed } from '../support/stripe.ts'
import { subscriptionCreated } from '../support/subscription.ts'
import { chooseCount } from '../support/thorough.ts'
import { layWay } from '../support/way.ts'

const WHSEC = 'whsec_of_the_source'
/** Requests of garbage that go out between two looks at the memory; there are five waves of them. */
const GARBAGE_IN_A_WAVE = chooseCount(600, 2_000)
const MB = 1024 * 1024

const { url: databaseUrl, db } = await freshDatabase()
// A heap without room to hoard: garbage that is kept would end the process.
const env = environment(databaseUrl, {
  NODE_OPTIONS: '--max-old-space-size=160',
  LOG_LEVEL: 'error',
  FLO_HOLD_SECONDS: '1',
})
const gateway = runGateway(await temporaryFolder(), env)
const url = await gateway.listening()
const api = (method: string, path: string, body?: unknown) => call({ url, key: env.FLO_ADMIN_KEY }, method, path, body)
const receiver = await startReceiver()
const way = await layWay(api, receiver.url)
const PATH = `/webhooks/stripe/${way.sourceId}`

const post = async (body: string | Buffer, headers: Record<string, string> = {}) => {
  const response = await fetch(url + PATH, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'stripe-signature': signed(body, WHSEC), ...headers },
    body: Uint8Array.from(Buffer.from(body)),
  })
  return { status: response.status, body: (await response.json()) as WebhookAnswer }
}
const event = (fields: object = {}) => JSON.stringify({ ...JSON.parse(subscriptionCreated()), ...fields })
const request = (body: string, headers = '', path = PATH) =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${Buffer.byteLength(body)}\r\nstripe-signature: ${signed(body, WHSEC)}\r\n${headers}\r\n${body}`
const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
const rssMb = () => Number(execFileSync('ps', ['-o', 'rss=', '-p', String(gateway.child.pid)])) / 1024

/** Every refusal is a row of the table, in its form. */
function expectRefused({ status, body }: { status: number; body: WebhookAnswer }, code: keyof typeof refusalCodes) {
  expect([status, body?.error?.code]).toEqual([refusalCodes[code].status, code])
  expect(body?.error).toEqual({ code, message: expect.any(String), requestId: expect.any(String), details: [] })
}

describe('what no sender means is refused by a code of the table', () => {
  test.each<[keyof typeof refusalCodes, string, string | Buffer]>([
    ['malformed_request', 'no HTTP at all', 'hello there\r\n\r\n'],
    ['malformed_request', 'a TLS handshake', Buffer.from('1603010200010001fc0303', 'hex')],
    ['malformed_request', 'a method of its own', 'BREW /coffee HTTP/1.1\r\nhost: x\r\n\r\n'],
    [
      'malformed_request',
      'two lengths',
      `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}`,
    ],
    ['malformed_request', 'a negative length', `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n`],
    [
      'malformed_request',
      'a length and chunks',
      `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n`,
    ],
    [
      'malformed_request',
      'chunks that are none',
      `POST ${PATH} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
    ],
    [
      'malformed_request',
      'a header with a line break',
      `POST ${PATH} HTTP/1.1\r\nhost: x\r\nstripe-signature: a\n b\x00\r\n\r\n`,
    ],
    ['headers_too_large', 'a large header', `POST ${PATH} HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(64 * 1024)}\r\n\r\n`],
    ['headers_too_large', 'a flood of headers', `POST ${PATH} HTTP/1.1\r\nhost: x\r\n${'x: y\r\n'.repeat(20_000)}\r\n`],
    ['headers_too_large', 'a long address', `POST /${'a'.repeat(64 * 1024)} HTTP/1.1\r\nhost: x\r\n\r\n`],
    ['too_large', 'a large length', `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: ${MB + 1}\r\n\r\n`],
    ['too_large', 'an enormous length', `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 9007199254740991\r\n\r\n`],
    ['route_not_found', 'another method', `GET ${PATH} HTTP/1.1\r\nhost: x\r\n\r\n`],
    [
      'route_not_found',
      'a way out of the folder',
      'POST /webhooks/stripe/../../etc/passwd HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n',
    ],
    ['source_not_found', 'a source that is none', request('{}', '', `/webhooks/stripe/${newId()}`)],
    ['malformed_request', 'an address that cannot be decoded', request('{}', '', '/webhooks/stripe/%ff')],
  ])('%s: %s', async (code, _, bytes) => {
    expectRefused(await raw(url, bytes), code)
  })

  test.each<[keyof typeof refusalCodes, string, string | Buffer, Record<string, string>]>([
    ['signature_missing', 'no signature', event(), { 'stripe-signature': '' }],
    ['signature_malformed', 'a signature of garbage', event(), { 'stripe-signature': 'x'.repeat(8000) }],
    ['signature_malformed', 'a thousand commas', event(), { 'stripe-signature': ','.repeat(8000) }],
    ['signature_invalid', 'another secret', event(), { 'stripe-signature': signed('{}', 'whsec_other') }],
    [
      'signature_invalid',
      'a hundred wrong signatures',
      event(),
      { 'stripe-signature': `t=1${`,v1=${'0'.repeat(64)}`.repeat(100)}` },
    ],
    ['timestamp_out_of_tolerance', 'an old signature', '{}', { 'stripe-signature': signed('{}', WHSEC, new Date(0)) }],
    ['malformed_json', 'bytes that are no UTF-8', Buffer.from('7b226964223a22c3280a227d', 'hex'), {}],
    ['malformed_json', 'a surrogate by itself', Buffer.from('7b226964223a22eda080227d', 'hex'), {}],
    ['unsupported_media_type', 'a compressed body', gzipSync(event()), { 'content-encoding': 'gzip' }],
    ['malformed_json', 'a byte order mark of UTF-16', Buffer.from(event(), 'utf16le'), {}],
    ['malformed_json', 'brackets that do not close', '['.repeat(100_000), {}],
    ['event_malformed', 'no event', '[1, 2, 3]', {}],
    ['event_malformed', 'an id that is an object', event({ id: { $gt: '' } }), {}],
    ['event_unstorable', 'a NUL in its type', event({ type: 'a\u0000b' }), {}],
  ])('%s: %s', async (code, _, body, headers) => {
    expectRefused(await post(body, headers), code)
  })

  test('too_large: chunks without a length, refused as soon as they are too many, and read to the end', async () => {
    const chunk = `${(64 * 1024).toString(16)}\r\n${'x'.repeat(64 * 1024)}\r\n`
    const head = `POST ${PATH} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`
    expectRefused(await raw(url, [head, ...Array.from({ length: 100 }, () => chunk), '0\r\n\r\n']), 'too_large')
  })
})

test.each(['text/xml', 'multipart/form-data; boundary=x', 'application/json; charset=utf-7', '*/*', 'nonsense'])(
  'an honest event is taken whatever its content type says: %s',
  async (type) => {
    expect((await post(event(), { 'content-type': type })).status).toBe(200)
  },
)

test('events that are nested 100,000 levels deep end in a state, and hold up nobody', async () => {
  const nested = [
    event({ data: { object: 'x' } }).replace('"x"', deep(100_000)),
    event({ type: 'invoice.paid', data: { object: 'x' } }).replace(
      '"x"',
      `{"id":"in_deep","object":"invoice","lines":${deep(100_000)}}`,
    ),
    event().replace('"metadata":{', `"metadata":{"deep":${deep(100_000)},`),
  ]
  for (const body of nested) expect((await post(body)).status).toBe(200)
  const honest = JSON.parse(subscriptionCreated())
  expect((await post(JSON.stringify(honest))).status).toBe(200)
  await eventually(async () => {
    const { rows } = await db.query('select state from source_events where client_id = $1', [way.clientId])
    return rows.every(({ state }) => !['received', 'held'].includes(state))
  })
  const { body } = await api('GET', `/v1/source-events?clientId=${way.clientId}&limit=4`)
  for (const { id } of body.data)
    for (const path of [`/v1/source-events/${id}`, `/v1/source-events/${id}/explain`]) {
      const { status } = await api('GET', path)
      expect([path, status]).toEqual([path, 200])
    }
})

describe('crowds', () => {
  test('dozens of requests in one go on one connection are answered one by one, in order', async () => {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port) })
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk) => (text += chunk))
    const garbage = request('{"no":"event"}')
    const unsigned = request('{}').replace(/stripe-signature.*\r\n/, '')
    socket.write((garbage + unsigned).repeat(15))
    const all = await eventually(() => replies(text).length === 30 && replies(text), { everyMs: 200 })
    expect(all.map(({ body }) => body.error.code)).toEqual(
      Array.from({ length: 30 }, (_, at) => (at % 2 ? 'signature_missing' : 'event_malformed')),
    )
    socket.destroy()
  })

  test('thousands of requests of garbage, and senders that stop half-way, cost no memory; honest events pass meanwhile', async () => {
    const big = Buffer.alloc(900 * 1024, 'x')
    const unsigned = (text: string) => text.replace(/stripe-signature.*\r\n/, '')
    const kinds = [
      () => request('{"no":"event"}'),
      () => request(randomBytes(1000).toString('hex')),
      () => request(event()).replace(/v1=\w/, 'v1=x'),
      () => unsigned(request(event())),
      () => request('{}', '', `/webhooks/stripe/${newId()}`),
      () => 'GET /v1/clients HTTP/1.1\r\nhost: x\r\nauthorization: Bearer nonsense\r\n\r\n',
      () => request('['.repeat(20_000)),
    ]
    const nthRequest = (n: number) => kinds.at(n % kinds.length)?.() ?? ''
    const send = countSockets(url)
    let honest = 0
    let over = false
    const statuses = new Set<number>()
    const sending = (async () => {
      while (!over) {
        statuses.add((await post(event())).status)
        honest += 1
      }
    })()
    // Half a body, and then nothing: so many of them are open all the while.
    const slow = Array.from({ length: 100 }, () => {
      const { hostname, port } = new URL(url)
      const socket = connect({ host: hostname, port: Number(port) }).on('error', () => {})
      socket.write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n{"half":`)
      return socket
    })
    const wave = async (count: number) => {
      let left = count
      // Garbage goes on until honest events have passed beside it.
      const honestBefore = honest
      await Promise.all(
        Array.from({ length: 24 }, async (_, at) => {
          while (left-- > 0 || honest < honestBefore + 10)
            expect(await send(nthRequest(left + at))).toMatch(/^HTTP\/1.1 4\d\d /)
        }),
      )
      for (let sent = 0; sent < 20; sent += 1) await post(big)
      return rssMb()
    }
    const first = await wave(GARBAGE_IN_A_WAVE)
    const sizes: number[] = []
    while (sizes.length < 4) sizes.push(await wave(GARBAGE_IN_A_WAVE))
    over = true
    await sending
    for (const socket of slow) socket.destroy()
    console.log(
      `${honest} honest events beside ${5 * GARBAGE_IN_A_WAVE} of garbage; memory ${[first, ...sizes].map(Math.round).join(', ')} MB`,
    )
    expect([...statuses]).toEqual([200])
    expect(honest).toBeGreaterThanOrEqual(50)
    // Flat: what the first wave has warmed up is there, and later ones add little.
    expect((sizes.at(-1) ?? Number.NaN) - first).toBeLessThan(120)
    expect(gateway.child.exitCode).toBeNull()
  })

  test('all honest events are delivered', async () => {
    await eventually(async () => {
      const { rows } = await db.query(
        `select count(*) filter (where state = 'pending') as waiting, count(*) filter (where state = 'delivered') as delivered
           from deliveries where client_id = $1`,
        [way.clientId],
      )
      return Number(rows[0].waiting) === 0 && Number(rows[0].delivered) >= 50
    })
  })
})
