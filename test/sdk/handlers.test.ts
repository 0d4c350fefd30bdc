import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import express from 'express'
import { expect, test, vi } from 'vitest'
import * as onExpress from '../../sdk/src/express.ts'
import type { FloWebhookOptions } from '../../sdk/src/fetch.ts'
import * as onFetch from '../../sdk/src/fetch.ts'
import { wireExample } from '../../src/contracts/contract.ts'
import { flo } from '../../src/contracts/flo.ts'
import { afterwards } from '../support/afterwards.ts'
import { eventually } from '../support/eventually.ts'
import { present } from '../support/present.ts'
import { DELIVERY_ID, signedFlo, signedFlorentin } from '../support/signed-delivery.ts'

/** An HTTP server with this listener; its URL. Closed after the test. */
async function serveListener(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
}

type Post = (request: {
  body: string | Uint8Array<ArrayBuffer>
  headers: Record<string, string>
  method?: string
}) => Promise<Response>
const over =
  (url: string): Post =>
  ({ method = 'POST', ...rest }) =>
    fetch(url, { method, ...rest })

/** Both kinds of handler behind the same question: what is answered to this request? */
const kinds = [
  [
    'Express',
    async (options: FloWebhookOptions): Promise<Post> =>
      over(await serveListener(express().all('/hook', onExpress.floWebhook(options)))),
  ],
  [
    'fetch',
    async (options: FloWebhookOptions): Promise<Post> => {
      const webhook = onFetch.floWebhook(options)
      return ({ method = 'POST', ...rest }) => webhook(new Request('http://receiver/hook', { method, ...rest }))
    },
  ],
] as const

for (const [kind, webhook] of kinds) {
  test(`${kind}: an event goes to the handler of its type, and 204 is answered when that has resolved`, async () => {
    const { secret, now, ...request } = signedFlo({ attempt: 2 })
    let done = false
    const seen: unknown[] = []
    const post = await webhook({
      secret,
      now,
      on: {
        async 'subscription.renewed'(event, delivery) {
          seen.push([event.subscription.name, delivery.deliveryId, delivery.attempt])
          await new Promise((resolve) => setImmediate(resolve))
          done = true
        },
      },
      handler: () => expect.unreachable(),
    })
    const answer = await post(request)
    expect([answer.status, await answer.text(), done]).toEqual([204, '', true])
    expect(seen).toEqual([['Pro', DELIVERY_ID, 2]])
  })

  test(`${kind}: what \`on\` does not name goes to \`handler\`, and without one it is answered with 204`, async () => {
    const { secret, now, ...request } = signedFlo()
    const on = { 'invoice.paid': () => expect.unreachable() }
    const handler = vi.fn()
    expect((await (await webhook({ secret, now, on, handler }))(request)).status).toBe(204)
    expect(handler.mock.calls).toEqual([
      [wireExample(flo, 'subscription.renewed'), expect.objectContaining({ deliveryId: DELIVERY_ID })],
    ])
    expect((await (await webhook({ secret, now, on }))(request)).status).toBe(204)
  })

  test(`${kind}: a handler that throws is answered with 500, which the gateway tries again; its words stay here`, async () => {
    const { secret, now, ...request } = signedFlo()
    const trouble = Object.assign(new Error('the database password is wrong'), { status: 410 })
    const onError = vi.fn()
    const post = await webhook({ secret, now, onError, handler: () => Promise.reject(trouble) })
    const answer = await post(request)
    expect([answer.status, await answer.json()]).toEqual([
      500,
      { error: { code: 'handler_failed', message: "The receiver's handler failed." } },
    ])
    expect(onError.mock.calls).toEqual([[trouble]])
  })

  test(`${kind}: a verification error that the handler itself throws is its failure, not the sender's`, async () => {
    const { secret, now, ...request } = signedFlo()
    const handler = () => {
      throw new onFetch.VerificationError('signature_invalid', 'of something else')
    }
    expect((await (await webhook({ secret, now, onError: () => {}, handler }))(request)).status).toBe(500)
  })

  test(`${kind}: a bad signature is answered with 400 and the reason, and no handler sees it`, async () => {
    const { secret, now, ...request } = signedFlo()
    const onError = vi.fn()
    const post = await webhook({ secret, now, onError, handler: () => expect.unreachable() })
    const answer = await post({ ...request, body: request.body.replace('Pro', 'Max') })
    expect([answer.status, answer.headers.get('content-type'), await answer.json()]).toEqual([
      400,
      'application/json',
      { error: { code: 'signature_invalid', message: expect.stringMatching(/^No signature in Flo-Signature fits/) } },
    ])
    expect(onError.mock.calls).toMatchObject([[{ code: 'signature_invalid' }]])
  })

  test(`${kind}: without onError the console hears why`, async () => {
    const consoleErrors = vi.spyOn(console, 'error').mockImplementation(() => {})
    afterwards(async () => consoleErrors.mockRestore())
    const { secret, now, ...request } = signedFlo()
    const trouble = new Error('mine')
    const post = await webhook({ secret, now, handler: () => Promise.reject(trouble) })
    await post(request)
    await post({ ...request, headers: {} })
    expect(consoleErrors.mock.calls).toEqual([
      [trouble],
      [expect.stringMatching(/^Webhook refused \(header_missing\): The Flo-Signature header/)],
    ])
  })

  test(`${kind}: the tolerance is the one of the options`, async () => {
    const { secret, now, ...request } = signedFlo()
    const lateClock = () => new Date(now().getTime() + 400_000)
    const handler = () => {}
    const strict = await webhook({ secret, now: lateClock, handler, onError: () => {} })
    expect(await (await strict(request)).json()).toMatchObject({ error: { code: 'timestamp_out_of_tolerance' } })
    const lenient = await webhook({ secret, now: lateClock, handler, toleranceSeconds: 400 })
    expect((await lenient(request)).status).toBe(204)
  })

  test(`${kind}: a body larger than maxBytes is answered with 413`, async () => {
    const { secret, now, ...request } = signedFlo({
      body: JSON.stringify({ eventId: DELIVERY_ID, name: 'x'.repeat(2000) }),
    })
    const options = { secret, now, handler: () => {}, onError: () => {} }
    const answer = await (await webhook({ ...options, maxBytes: 1999 }))(request)
    expect([answer.status, await answer.json()]).toMatchObject([413, { error: { code: 'body_too_large' } }])
    expect((await (await webhook({ ...options, maxBytes: request.body.length }))(request)).status).toBe(204)
  })

  test(`${kind}: anything but POST is answered with 405`, async () => {
    const { secret, headers } = signedFlo()
    const post = await webhook({ secret, handler: () => {} })
    const answer = await post({ method: 'PUT', body: '{}', headers })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST'])
  })

  test(`${kind}: options that cannot work are refused at once`, async () => {
    const { secret } = signedFlo()
    const handler = () => {}
    await expect(webhook({ secret: undefined, handler })).rejects.toMatchObject({ code: 'secret_missing' })
    await expect(webhook({ secret })).rejects.toThrow('Give `on` or `handler`')
    // @ts-expect-error the spelling trap: the field is canceledAt, the event subscription.cancelled
    const trapped = webhook({ secret, on: { 'subscription.canceled': handler } })
    await expect(trapped).rejects.toThrow('`on` names no event type: subscription.canceled')
  })
}

test('Florentin has its webhooks too, in both kinds', async () => {
  const { secret, now, ...request } = signedFlorentin()
  const seen: unknown[] = []
  const options = {
    secret,
    now,
    on: {
      'invoice.created': (
        { data }: { data: { invoice: { number: string | null } } },
        { deliveryId }: { deliveryId: string },
      ) => seen.push([data.invoice.number, deliveryId]),
    },
  }
  const url = await serveListener(onExpress.florentinWebhook(options))
  expect((await over(url)(request)).status).toBe(204)
  const asRequest = new Request('http://receiver', { method: 'POST', ...request })
  expect((await onFetch.florentinWebhook(options)(asRequest)).status).toBe(204)
  expect(seen).toEqual(Array(2).fill(['INV-0042', DELIVERY_ID]))
  const old = { ...options, maxAgeSeconds: 1, now: () => new Date('2026-06-06T12:00:02.000Z'), onError: () => {} }
  expect((await over(await serveListener(onExpress.florentinWebhook(old)))(request)).status).toBe(400)
})

const parsers: [string, express.RequestHandler][] = [
  ['raw()', express.raw({ type: 'application/json' })],
  ['text()', express.text({ type: 'application/json' })],
  ['a parser that passes it over', express.urlencoded()],
  [
    'json() that keeps rawBody',
    express.json({ verify: (request, _, bytes) => Object.assign(request, { rawBody: Buffer.from(bytes) }) }),
  ],
]
test.each(parsers)('Express: the raw body is found behind express.%s', async (_, parser) => {
  const { secret, now, ...request } = signedFlo({ body: JSON.stringify({ eventId: DELIVERY_ID, name: 'Zoë €' }) })
  const handler = vi.fn()
  const url = await serveListener(express().use(parser).post('/hook', onExpress.floWebhook({ secret, now, handler })))
  expect((await over(url)(request)).status).toBe(204)
  expect(present(handler.mock.calls[0])[0]).toMatchObject({ name: 'Zoë €' })
})

test('Express: behind express.json() every delivery is refused with what to do about it', async () => {
  const { secret, now, ...request } = signedFlo()
  const onError = vi.fn()
  const url = await serveListener(
    express()
      .use(express.json())
      .post('/hook', onExpress.floWebhook({ secret, now, onError, handler: () => {} })),
  )
  const answer = await over(url)(request)
  expect([answer.status, await answer.json()]).toMatchObject([
    400,
    { error: { code: 'body_parsed', message: expect.stringContaining('app.use(express.json())') } },
  ])
  expect(onError).toHaveBeenCalledOnce()
})

test('fetch: a Request whose body was read before is refused with what to do about it', async () => {
  const { secret, now, ...request } = signedFlo()
  const webhook = onFetch.floWebhook({ secret, now, handler: () => {}, onError: () => {} })
  const read = new Request('http://receiver', { method: 'POST', ...request })
  const copy = read.clone()
  await read.json()
  expect(await (await webhook(read)).json()).toMatchObject({
    error: { code: 'body_parsed', message: expect.stringContaining('request.clone()') },
  })
  expect((await webhook(copy)).status).toBe(204)
})

test('Express: a sender that hangs up in the middle of the body goes to onError, and others are still served', async () => {
  const { secret, now, ...request } = signedFlo()
  const onError = vi.fn()
  const url = await serveListener(onExpress.floWebhook({ secret, now, onError, handler: () => {} }))
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('POST /hook HTTP/1.1\r\nHost: receiver\r\nContent-Length: 1000\r\n\r\n{"eventId"')
  await new Promise((resolve) => socket.once('connect', resolve))
  socket.destroySoon()
  await eventually(() => onError.mock.calls.length === 1)
  expect((await over(url)(request)).status).toBe(204)
})

test('a public key verifies by the headers of Standard Webhooks', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
  const { now, body, headers } = signedFlo()
  const content = Buffer.from(`${DELIVERY_ID}.${headers['webhook-timestamp']}.${body}`)
  const signature = sign(null, content, privateKey).toString('base64')
  const webhook = onFetch.floWebhook({
    secret: `whpk_${key}`,
    now,
    handler: () => {},
    onError: () => {},
  })
  const postSigned = (signature: string) =>
    webhook(
      new Request('http://receiver', {
        method: 'POST',
        headers: { ...headers, 'webhook-signature': `v1,AAAA v1a,${signature}` },
        body,
      }),
    )
  expect((await postSigned(signature)).status).toBe(204)
  expect((await postSigned(signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')))).status).toBe(400)
})
