import { generateKeyPairSync } from 'node:crypto'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { unreachableOutcome } from '../../src/deliver/attempt/network-errors.ts'
import { afterwards } from '../support/afterwards.ts'
import { certificate } from '../support/certificates.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { tryingClient } from '../support/trying.ts'

const gateway = await startTestGateway()
const { api, db } = gateway
const { ask, newEndpoint, sent } = await tryingClient(api)

const authority = certificate({ name: 'An authority of our own', ca: true })
const other = certificate({ name: 'Another authority', ca: true })
const hosts = ['127.0.0.1']
const server = certificate({ name: 'receiver', by: authority, hosts, use: 'server' })
const client = certificate({ name: 'the gateway', by: authority, use: 'client' })

/** An https:// receiver; `seen` has the name of each request's client certificate, null: none was shown. */
async function tlsReceiver(options: ServerOptions) {
  const seen: (string | null)[] = []
  const listening = createServer(options, (request, answer) => {
    seen.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN?.toString() ?? null)
    request.resume()
    answer.end()
  })
  listening.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  afterwards(async () => {
    listening.closeAllConnections()
    listening.close()
  })
  return { url: `https://127.0.0.1:${(listening.address() as AddressInfo).port}/hook`, seen }
}

/** The one attempt of a test event to a new endpoint. */
async function attemptAt(fields: object) {
  const { id } = await newEndpoint(fields)
  const { state, made } = await sent(id)
  expect(made).toHaveLength(1)
  return { state, ...made[0] }
}

describe('a TLS connection that cannot be trusted fails, and is named', () => {
  const signed = (fields: Partial<Parameters<typeof certificate>[0]> = {}) =>
    certificate({ name: 'receiver', by: authority, hosts, use: 'server', ...fields })
  const tls = { caCertificate: authority.cert }

  test.each([
    {
      which: 'of an unknown authority',
      certified: signed(),
      fields: {},
      code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      words: 'issuer',
    },
    {
      which: 'signed by itself',
      certified: certificate({ name: 'alone', hosts }),
      fields: {},
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      words: 'self-signed',
    },
    {
      which: 'of another authority than the endpoint asks for',
      certified: signed({ by: other }),
      fields: { tls },
      code: 'UNABLE_TO',
      words: 'issuer',
    },
    {
      which: 'that has expired',
      certified: signed({ days: [-9, -1] }),
      fields: { tls },
      code: 'CERT_HAS_EXPIRED',
      words: 'has expired',
    },
    {
      which: 'that is not valid yet',
      certified: signed({ days: [2, 9] }),
      fields: { tls },
      code: 'CERT_NOT_YET_VALID',
      words: 'not valid yet',
    },
    {
      which: 'for another host',
      certified: signed({ hosts: ['example.com'] }),
      fields: { tls },
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      words: 'another name',
    },
  ])('a certificate $which', async ({ certified, fields, code, words }) => {
    const receiver = await tlsReceiver(certified)
    const attempt = await attemptAt({ url: receiver.url, ...fields })
    expect(attempt).toMatchObject({ state: 'failed', status: null, error: 'tls' })
    expect(attempt.errorMessage).toContain(code)
    expect(attempt.errorMessage).toContain(words)
    expect(receiver.seen).toEqual([])
  })

  test('no TLS at all', async () => {
    const receiver = await startReceiver()
    const attempt = await attemptAt({ url: receiver.url.replace('http:', 'https:') })
    expect(attempt).toMatchObject({ error: 'tls', errorMessage: expect.stringContaining('does not speak TLS') })
  })

  test('a protocol that is too old', async () => {
    const receiver = await tlsReceiver({
      ...server,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    expect(await attemptAt({ url: receiver.url, tls: { caCertificate: authority.cert } })).toMatchObject({
      error: 'tls',
    })
  })

  test('whatever NODE_TLS_REJECT_UNAUTHORIZED says', async () => {
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    try {
      const receiver = await tlsReceiver(server)
      expect(await attemptAt({ url: receiver.url })).toMatchObject({ error: 'tls' })
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    }
  })
})

describe('an endpoint with an authority of its own', () => {
  test('is delivered to, and other endpoints at the same address are not', async () => {
    const receiver = await tlsReceiver(server)
    const tls = { caCertificate: authority.cert }
    expect(await attemptAt({ url: receiver.url, tls })).toMatchObject({ state: 'delivered', status: 200 })
    expect(await attemptAt({ url: receiver.url })).toMatchObject({ error: 'tls' })
    const both = { caCertificate: `Of the bank:\n${other.cert}\n${authority.cert}` }
    expect(await attemptAt({ url: receiver.url, tls: both })).toMatchObject({ status: 200 })
  })

  test('may trust a certificate that is signed by itself', async () => {
    const alone = certificate({ name: 'alone', hosts })
    const receiver = await tlsReceiver(alone)
    expect(await attemptAt({ url: receiver.url, tls: { caCertificate: alone.cert } })).toMatchObject({ status: 200 })
  })
})

describe('a receiver that asks for a client certificate', () => {
  const strict = { ...server, ca: authority.cert, requestCert: true, rejectUnauthorized: true }
  const mutual = { caCertificate: authority.cert, clientCertificate: client.cert, clientKey: client.key }

  test('gets the one of the endpoint, and of no other endpoint', async () => {
    const receiver = await tlsReceiver(strict)
    expect(await attemptAt({ url: receiver.url, tls: mutual })).toMatchObject({ state: 'delivered', status: 200 })
    const second = certificate({ name: 'the second', by: authority, use: 'client' })
    const tls = { ...mutual, clientCertificate: second.cert, clientKey: second.key }
    expect(await attemptAt({ url: receiver.url, tls })).toMatchObject({ status: 200 })
    expect(receiver.seen).toEqual(['the gateway', 'the second'])

    const without = await attemptAt({ url: receiver.url, tls: { caCertificate: authority.cert } })
    expect(without).toMatchObject({ state: 'failed', status: null, error: expect.stringMatching(/tls|connection/) })
    expect(receiver.seen).toHaveLength(2)
  })

  test('refuses one of another authority', async () => {
    const receiver = await tlsReceiver(strict)
    const foreign = certificate({ name: 'a stranger', by: other, use: 'client' })
    const tls = { ...mutual, clientCertificate: foreign.cert, clientKey: foreign.key }
    expect(await attemptAt({ url: receiver.url, tls })).toMatchObject({ state: 'failed', status: null })
    expect(receiver.seen).toEqual([])
  })

  // Node's own server closes the connection without a word; others say why, by a TLS alert.
  test.each([
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED',
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
  ])('that says %s is understood', (code) => {
    const { reason, message } = unreachableOutcome(Object.assign(new Error('SSL alert'), { code }))
    expect([reason, message]).toEqual(['tls', expect.stringContaining('client certificate')])
  })

  test('takes a chain with an intermediate authority, and a change from the next attempt on', async () => {
    const receiver = await tlsReceiver(strict)
    const between = certificate({ name: 'in between', by: authority, ca: true })
    const leaf = certificate({ name: 'the leaf', by: between, use: 'client' })
    const tls = { ...mutual, clientCertificate: `${leaf.cert}${between.cert}`, clientKey: leaf.key }
    const endpoint = await newEndpoint({ url: receiver.url, tls: mutual })
    expect(await sent(endpoint.id)).toMatchObject({ state: 'delivered' })
    await api('PATCH', `/v1/endpoints/${endpoint.id}`, { tls })
    expect(await sent(endpoint.id)).toMatchObject({ state: 'delivered' })
    expect(receiver.seen).toEqual(['the gateway', 'the leaf'])
    await api('PATCH', `/v1/endpoints/${endpoint.id}`, { tls: null })
    expect((await sent(endpoint.id)).made[0].error).toBe('tls')
  })
})

describe('certificates', () => {
  const url = 'https://example.com/hook'

  test('are shown by what they say, the private key never, and it lies encrypted', async () => {
    const tls = { caCertificate: authority.cert, clientCertificate: client.cert, clientKey: client.key }
    const endpoint = await newEndpoint({ url, tls })
    expect(endpoint.tls).toMatchObject({
      caCertificates: [
        { subject: 'CN=An authority of our own', fingerprintSha256: expect.stringMatching(/^(..:){31}..$/) },
      ],
      clientCertificate: { subject: 'CN=the gateway', issuer: 'CN=An authority of our own' },
    })
    expect(Date.parse(endpoint.tls.clientCertificate.expiresAt)).toBeGreaterThan(Date.now())
    const { rows } = await db.query('select to_jsonb(e)::text as row from endpoints e where id = $1', [endpoint.id])
    const said = JSON.stringify([endpoint, rows])
    expect(said).not.toContain('PRIVATE KEY')
    expect(said).not.toContain(client.key.split('\n')[1])
  })

  const rsa = (bits: number) => certificate({ name: 'rsa', by: authority, use: 'client', rsaBits: bits })
  const locked = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hidden' },
  }).privateKey
  const expired = certificate({ name: 'old', by: authority, use: 'client', days: [-9, -1] })
  const short = rsa(1024)
  const pair = (one: { cert: string; key: string }) => ({ clientCertificate: one.cert, clientKey: one.key })

  test.each([
    ['no PEM', { caCertificate: 'hello' }, 'caCertificate', 'must be PEM'],
    [
      'PEM of nothing',
      { caCertificate: authority.cert.replace(/^M.{40}/m, 'AAAA') },
      'caCertificate',
      'cannot be read',
    ],
    ['no authority', { caCertificate: server.cert }, 'caCertificate', 'must be of an authority'],
    ['an authority that has expired', { caCertificate: expired.cert }, 'caCertificate', 'has expired'],
    [
      'a key among the authorities',
      { caCertificate: authority.cert + authority.key },
      'caCertificate',
      'private key in it',
    ],
    ['a certificate without a key', { clientCertificate: client.cert }, 'clientKey', 'they are a pair'],
    ['a key without a certificate', { clientKey: client.key }, 'clientCertificate', 'they are a pair'],
    ['a pair that is none', { clientCertificate: client.cert, clientKey: server.key }, 'clientKey', 'does not belong'],
    ['a certificate that has expired', pair(expired), 'clientCertificate', 'has expired'],
    ['a certificate for servers', pair(server), 'clientCertificate', 'client authentication'],
    ['no key', { clientCertificate: client.cert, clientKey: client.cert }, 'clientKey', 'must be PEM of a private key'],
    ['a locked key', { clientCertificate: client.cert, clientKey: locked }, 'clientKey', 'passphrase'],
    ['something unknown', { caFile: '/etc/ssl' }, 'caFile', ''],
  ])('are refused at registration: %s', async (_, tls, field, words) => {
    const { status, body } = await ask({ url, tls })
    expect([status, body.error.details[0].path]).toEqual([422, `tls.${field}`])
    expect(body.error.details[0].message).toContain(words)
    const { id } = await newEndpoint({ url })
    expect((await api('PATCH', `/v1/endpoints/${id}`, { tls })).status).toBe(422)
  })

  test('are refused with a key that TLS finds too short', async () => {
    const { body } = await ask({ url, tls: pair(short) })
    expect(body.error.details).toMatchObject([{ path: 'tls', message: expect.stringContaining('key too small') }])
    expect((await ask({ url, tls: pair(rsa(2048)) })).status).toBe(201)
  })

  test('need https://, also when the URL is changed', async () => {
    const tls = { caCertificate: authority.cert }
    const plain = await ask({ url: 'http://127.0.0.1:9000/', tls })
    expect(plain.body.error.details).toMatchObject([{ path: 'tls', message: 'needs an https:// URL' }])
    const { id } = await newEndpoint({ url, tls })
    expect((await api('PATCH', `/v1/endpoints/${id}`, { url: 'http://127.0.0.1:9000/' })).status).toBe(422)
    expect((await api('PATCH', `/v1/endpoints/${id}`, { url: 'http://127.0.0.1:9000/', tls: null })).status).toBe(200)
    expect((await api('PATCH', `/v1/endpoints/${id}`, { tls })).status).toBe(422)
  })
})
