import { createPublicKey, randomBytes, verify } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { describe, expect, test } from 'vitest'
import { verifyStandard } from '../../sdk/src/index.ts'
import type { Json } from '../../src/domain/json.ts'
import { startTestGateway } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { startReceiver } from '../support/receiver.ts'
import { tryingClient } from '../support/trying.ts'

const gateway = await startTestGateway()
const { api, db } = gateway
const { clientId, ask, newEndpoint, sent } = await tryingClient(api)
const receiver = await startReceiver()

const secretOf = async (id: string) => (await api('GET', `/v1/endpoints/${id}/secret`)).body.data
const rotate = (id: string, body: object = {}) => api('POST', `/v1/endpoints/${id}/secret/rotate`, body)
const custom = (bytes: number) => `flo_whsec_${randomBytes(bytes).toString('base64')}`

/** Sends a test event; the request that arrived. */
async function requestTo(id: string) {
  expect(await sent(id)).toMatchObject({ state: 'delivered' })
  return present(receiver.requests.at(-1))
}
type Request = Awaited<ReturnType<typeof requestTo>>

const floAccepts = ({ body, headers }: Request, secret: string) => {
  try {
    return Boolean(Stripe.webhooks.constructEvent(body, headers['flo-signature'] as string, secret))
  } catch {
    return false
  }
}
/** With nothing but node:crypto: some `v1a` of the request is the key pair's signature over `id.timestamp.body`. */
const publicKeyAccepts = ({ body, headers }: Request, publicKey: string) => {
  const x = Buffer.from(publicKey.replace(/^whpk_/, ''), 'base64').toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  const said = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
  return signaturesOf({ headers }).some(
    (one) => one.startsWith('v1a,') && verify(null, said, key, Buffer.from(one.slice(4), 'base64')),
  )
}
const signaturesOf = ({ headers }: Pick<Request, 'headers'>) => (headers['webhook-signature'] as string).split(' ')

describe("a client's own secret", () => {
  test.each([24, 32, 64])('of %i bytes signs from the start', async (bytes) => {
    const secret = custom(bytes)
    const endpoint = await newEndpoint({ url: receiver.url, secret })
    expect(endpoint.secret).toBe(secret)
    const request = await requestTo(endpoint.id)
    expect(floAccepts(request, secret)).toBe(true)
    const headers = request.headers as Record<string, string>
    expect(new Webhook(secret.replace('flo_', '')).verify(request.body, headers)).toBeDefined()
  })

  test('may be brought along in a rotation, also to a Florentin endpoint', async () => {
    for (const contract of ['flo.v1', 'florentin.v1']) {
      const endpoint = await newEndpoint({ url: receiver.url, contract, secret: custom(32) })
      const next = custom(32)
      const { status, body } = await rotate(endpoint.id, { secret: next })
      expect([status, body.data.secret, body.data.previous[0].secret]).toEqual([200, next, endpoint.secret])
    }
  })

  const good = randomBytes(32).toString('base64')
  test.each([
    ['', 'must begin with flo_whsec_'],
    [good, 'must begin with flo_whsec_'],
    [`whsec_${good}`, 'must begin with flo_whsec_'],
    [`FLO_WHSEC_${good}`, 'must begin with flo_whsec_'],
    [`flo_whsec_${good.replace(/=+$/, '')}`, 'must be standard base64 with its padding behind flo_whsec_'],
    [`flo_whsec_${good}\n`, 'must be standard base64 with its padding behind flo_whsec_'],
    [`flo_whsec_ ${good}`, 'must be standard base64 with its padding behind flo_whsec_'],
    [`flo_whsec_${Buffer.alloc(32, 0xff).toString('base64url')}`, 'must be standard base64 with its padding'],
    [`flo_whsec_correct horse battery staple`, 'must be standard base64 with its padding behind flo_whsec_'],
    ['flo_whsec_', 'must be base64 of 24 to 64 bytes behind flo_whsec_, not of 0'],
    [custom(23), 'must be base64 of 24 to 64 bytes behind flo_whsec_, not of 23'],
    [custom(65), 'must be base64 of 24 to 64 bytes behind flo_whsec_, not of 65'],
    [`whsk_${good}`, 'must begin with flo_whsec_'],
  ])('is refused as %j, with the reason and without the secret', async (secret, reason) => {
    const { id } = await newEndpoint({ url: receiver.url })
    for (const { status, body } of [await ask({ url: receiver.url, secret }), await rotate(id, { secret })]) {
      expect(status).toBe(422)
      expect(body.error.details).toMatchObject([{ path: 'secret', message: expect.stringContaining(reason) }])
      if (secret.length > 12) expect(JSON.stringify(body)).not.toContain(secret.slice(10))
    }
  })

  test('is refused when it signs already', async () => {
    const { id, secret } = await newEndpoint({ url: receiver.url })
    expect((await rotate(id, { secret })).body.error.details[0].message).toMatch(/already live/)
    await rotate(id)
    expect((await rotate(id, { secret })).status).toBe(422)
  })
})

describe('rotation', () => {
  test('lets old and new sign until the grace period ends', async () => {
    const { id, secret: old } = await newEndpoint({ url: receiver.url })
    const fresh = (await rotate(id)).body.data.secret
    const both = await requestTo(id)
    expect([floAccepts(both, old), floAccepts(both, fresh)]).toEqual([true, true])
    await rotate(id, { gracePeriodSeconds: 0, revokePrevious: true, secret: custom(32) })
    const after = await requestTo(id)
    expect([floAccepts(after, old), floAccepts(after, fresh)]).toEqual([false, false])
  })

  test('five secrets sign at most: a sixth is refused until one has ended', async () => {
    const { id, secret } = await newEndpoint({ url: receiver.url })
    const all = [secret]
    for (let turn = 0; turn < 4; turn++) all.unshift((await rotate(id)).body.data.secret)
    expect(signaturesOf(await requestTo(id))).toHaveLength(5)

    const { status, body } = await rotate(id)
    expect([status, body.error.code]).toEqual([409, 'too_many_secrets'])
    const { secret: newest, previous } = await secretOf(id)
    const nextEnd = previous.map(({ until }: Json) => until).toSorted()[0]
    expect(body.error.details).toEqual([
      {
        path: 'previous',
        code: 'too_many_secrets',
        message: `the next secret ends at ${nextEnd}`,
        until: nextEnd,
      },
    ])
    expect([newest, ...previous.map((kept: Json) => kept.secret)]).toEqual(all)

    // The one before ends at once, so there is room for the new one.
    expect((await rotate(id, { gracePeriodSeconds: 0 })).status).toBe(200)
    expect((await rotate(id, { revokePrevious: true })).body.data.previous).toHaveLength(1)
  })

  test('revokePrevious with no grace period leaves the new secret alone', async () => {
    const { id } = await newEndpoint({ url: receiver.url })
    await rotate(id)
    const { body } = await rotate(id, { gracePeriodSeconds: 0, revokePrevious: true })
    expect(body.data.previous).toEqual([])
    const request = await requestTo(id)
    expect(signaturesOf(request)).toHaveLength(1)
    expect(floAccepts(request, body.data.secret)).toBe(true)
  })
})

describe('a secret is shown', () => {
  test('to who may write, not to who may read', async () => {
    const { id, secret } = await newEndpoint({ url: receiver.url })
    const key = async (scopes: string[]) => (await api('POST', '/v1/api-keys', { clientId, scopes })).body.data.key
    const [reader, writer] = [await key(['read']), await key(['write'])]
    const read = (as: string) => gateway.api('GET', `/v1/endpoints/${id}/secret`, undefined, as)
    expect((await read(reader)).body.error.code).toBe('forbidden')
    expect((await read(writer)).body.data.secret).toBe(secret)
    const shown = await gateway.api('GET', `/v1/endpoints/${id}`, undefined, reader)
    expect(JSON.stringify(shown.body)).not.toContain(secret)
  })

  test('but is nowhere in the database as it stands', async () => {
    const { id, secret } = await newEndpoint({ url: receiver.url })
    await rotate(id, { secret: custom(40) })
    const { rows } = await db.query('select to_jsonb(e)::text as row from endpoints e where id = $1', [id])
    for (const one of [secret, (await secretOf(id)).secret]) expect(rows[0].row).not.toContain(one.slice(10))
  })
})

describe('the headers that an endpoint adds', () => {
  const headers = { Authorization: 'Bearer very-hidden', 'X-Environment': 'production-of-theirs' }

  test('are sent, and nowhere in the database as they stand', async () => {
    const { id } = await newEndpoint({ url: receiver.url, headers })
    const row = async () =>
      (await db.query('select to_jsonb(e)::text as row from endpoints e where id = $1', [id])).rows[0].row
    expect(await row()).not.toMatch(/very-hidden|of-theirs/)
    expect((await requestTo(id)).headers).toMatchObject({
      authorization: 'Bearer very-hidden',
      'x-environment': 'production-of-theirs',
    })
    await api('PATCH', `/v1/endpoints/${id}`, { headers: { 'X-Api-Key': 'newly-hidden' } })
    expect(await row()).not.toContain('newly-hidden')
    const changed = await requestTo(id)
    expect(changed.headers).toMatchObject({ 'x-api-key': 'newly-hidden' })
    expect(changed.headers).not.toHaveProperty('authorization')
    await api('PATCH', `/v1/endpoints/${id}`, { headers: {} })
    expect((await requestTo(id)).headers).not.toHaveProperty('x-api-key')
  })

  test.each([
    ...['Flo-Signature', 'X-Florentin-Signature', 'x-florentin-delivery-id', 'WEBHOOK-SIGNATURE', 'Stripe-Signature'],
    ...['User-Agent', 'Host', 'Content-Encoding', 'TE', 'Trailer', 'Upgrade', 'Proxy-Authorization', 'X-Flo-Anything'],
  ])('may not be %s, whatever the contract', async (name) => {
    for (const contract of ['flo.v1', 'florentin.v1']) {
      const { status, body } = await ask({ url: receiver.url, contract, headers: { 'X-Fine': 'a', [name]: 'b' } })
      expect([status, body.error.details[0].path]).toEqual([422, `headers.${name}`])
    }
    const { id } = await newEndpoint({ url: receiver.url })
    expect((await api('PATCH', `/v1/endpoints/${id}`, { headers: { [name]: 'b' } })).status).toBe(422)
  })

  test.each([
    ['X-Hook', 'Bearer hidden'],
    ['X-Basic', 'basic aGlkZGVu'],
    ['X-Session-Id', 'hidden'],
    ['X-Tenant', 'sk_live_51HqLyjWDarjtT1zdp7dc'],
    ['X-Note', 'seen'],
    ['X-Customer', '4711'],
    ['X-Environment', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl'],
    ['X-Source', 'rk_test_1'],
    ['X-Region', 'Token abcdef'],
    ['X-Origin', 'a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6'],
    ['X-Version', `1.0 ${'x'.repeat(80)}`],
  ])('are write-only: %s is shown as null', async (name, value) => {
    const { id, headers } = await newEndpoint({ url: receiver.url, headers: { [name]: value } })
    expect(headers).toEqual({ [name]: null })
    expect((await api('GET', `/v1/endpoints/${id}`)).body.data.headers).toEqual({ [name]: null })
    expect(JSON.stringify((await api('GET', '/v1/endpoints?limit=100')).body)).not.toContain(value)
  })

  test('are shown where name and value are plainly harmless', async () => {
    const given = {
      'X-Environment': 'production',
      'x-origin': 'billing/2.1 (eu-west-1)',
      'X-Team': 'a',
      Accept: 'application/json',
      'X-API-Version': '2026-01',
    }
    const { headers } = await newEndpoint({ url: receiver.url, headers: given })
    expect(headers).toEqual(given)
  })
})

describe('an endpoint that signs by key pair', () => {
  const ed25519 = () => newEndpoint({ url: receiver.url, signature: 'ed25519' })

  test('is verified with its public key alone, and there is no secret to lose', async () => {
    const endpoint = await ed25519()
    expect(endpoint).toMatchObject({ signature: 'ed25519', secret: null, publicKey: expect.stringMatching(/^whpk_/) })
    expect(Buffer.from(endpoint.publicKey.slice(5), 'base64')).toHaveLength(32)
    expect((await api('GET', `/v1/endpoints/${endpoint.id}`)).body.data.publicKey).toBe(endpoint.publicKey)
    expect(await secretOf(endpoint.id)).toEqual({
      signature: 'ed25519',
      secret: null,
      publicKey: endpoint.publicKey,
      previous: [],
    })

    const request = await requestTo(endpoint.id)
    expect(publicKeyAccepts(request, endpoint.publicKey)).toBe(true)
    const { body, headers } = request
    expect(await verifyStandard({ body, headers, secret: endpoint.publicKey })).toMatchObject({ attempt: 1 })
    expect(signaturesOf(request)).toHaveLength(1)
    expect(request.headers).not.toHaveProperty('flo-signature')
    expect(publicKeyAccepts({ ...request, body: `${request.body} ` }, endpoint.publicKey)).toBe(false)
    expect(publicKeyAccepts(request, (await ed25519()).publicKey)).toBe(false)
    const { made } = await sent(endpoint.id)
    expect(made[0].signature).toBe(present(receiver.requests.at(-1)).headers['webhook-signature'])
  })

  test('never answers with the private key, which lies encrypted', async () => {
    const endpoint = await ed25519()
    const answers = [
      endpoint,
      (await rotate(endpoint.id)).body,
      await secretOf(endpoint.id),
      (await api('GET', `/v1/endpoints?clientId=${clientId}`)).body,
    ]
    const { rows } = await db.query('select to_jsonb(e)::text as row from endpoints e where id = $1', [endpoint.id])
    expect(JSON.stringify([answers, rows])).not.toContain('whsk_')
    expect(rows[0].row).toContain(endpoint.publicKey)
  })

  test('takes no key of others, and Florentin has no such signature', async () => {
    const own = await ask({
      url: receiver.url,
      signature: 'ed25519',
      secret: `whsk_${randomBytes(64).toString('base64')}`,
    })
    expect(own.body.error.details).toMatchObject([{ path: 'secret', message: expect.stringContaining('never leaves') }])
    const florentin = await ask({ url: receiver.url, signature: 'ed25519', contract: 'florentin.v1' })
    expect(florentin.body.error.details).toMatchObject([{ path: 'signature' }])
  })

  test('is reached by a rotation: until the grace period ends both kinds sign', async () => {
    const { id, secret } = await newEndpoint({ url: receiver.url })
    const { publicKey, previous } = (await rotate(id, { signature: 'ed25519' })).body.data
    expect(previous).toMatchObject([{ signature: 'hmac', secret, publicKey: null }])
    const both = await requestTo(id)
    expect([floAccepts(both, secret), publicKeyAccepts(both, publicKey)]).toEqual([true, true])

    const next = (await rotate(id, { gracePeriodSeconds: 0, revokePrevious: true })).body.data
    expect(next.signature).toBe('ed25519')
    const alone = await requestTo(id)
    expect([publicKeyAccepts(alone, publicKey), publicKeyAccepts(alone, next.publicKey)]).toEqual([false, true])
    expect(alone.headers).not.toHaveProperty('flo-signature')

    const back = (await rotate(id, { signature: 'hmac' })).body.data
    expect(floAccepts(await requestTo(id), back.secret)).toBe(true)
  })
})
