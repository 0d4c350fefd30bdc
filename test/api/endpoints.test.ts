import { describe, expect, test } from 'vitest'
import { contractNamed } from '../../src/contracts/contract.ts'
import type { Json } from '../../src/domain/json.ts'
import { apiOn, newDelivery, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'

const { db } = await freshDatabase()
const clock = { now: new Date() }
const api = apiOn(db, { now: () => clock.now })
const { ours } = await twoClients(api)
const URL_ = 'https://example.com/hook'

const make = async (fields: object = {}) => ours.full.post('/v1/endpoints', { url: URL_, ...fields })
const made = async (fields: object = {}) => (await make(fields)).body.data
const later = (seconds: number) => {
  clock.now = new Date(clock.now.getTime() + seconds * 1000)
}
const stateOf = async (id: string) => (await ours.full.get(`/v1/deliveries/${id}`)).body.data

describe('making an endpoint', () => {
  test('answers 201 with its secret, which no other reply holds', async () => {
    const { status, body } = await make({ contract: 'flo.v1' })
    expect(status).toBe(201)
    expect(body.data).toMatchObject({ clientId: ours.clientId, url: URL_, status: 'enabled', timeoutSeconds: 15 })
    expect(body.data.secret).toMatch(/^flo_whsec_[A-Za-z0-9+/]{43}=$/)
    const { id, secret } = body.data
    expect((await ours.full.get(`/v1/endpoints/${id}`)).body.data).not.toHaveProperty('secret')
    expect((await ours.full.get(`/v1/endpoints/${id}/secret`)).body.data).toMatchObject({ secret, previous: [] })
    const { rows } = await db.query('select secrets from endpoints where id = $1', [id])
    expect(JSON.stringify(rows)).not.toContain(secret)
  })

  test('keeps all that it is given', async () => {
    const given = {
      eventTypes: ['subscription.*', 'invoice.paid'],
      description: 'For the books',
      metadata: { team: 'billing' },
      headers: { 'X-Environment': 'test' },
      retrySchedule: [1, 60],
      timeoutSeconds: 60,
    }
    expect(await made(given)).toMatchObject(given)
    const { id } = await made()
    const changed = await ours.full.patch(`/v1/endpoints/${id}`, given)
    expect(changed.body.data).toMatchObject(given)
    const cleared = await ours.full.patch(`/v1/endpoints/${id}`, {
      eventTypes: null,
      retrySchedule: null,
      metadata: {},
    })
    expect(cleared.body.data).toMatchObject({ eventTypes: null, retrySchedule: null, metadata: {}, timeoutSeconds: 60 })
    expect(api.woken).toContainEqual({ clientId: ours.clientId, endpointIds: [id] })
  })

  test.each([
    [{ url: 'ftp://example.com' }, 'url'],
    [{ url: 'example.com' }, 'url'],
    [{ url: 'https://user:pass@example.com' }, 'url'],
    [{ url: `https://example.com/${'x'.repeat(2048)}` }, 'url'],
    [{ contract: 'flo.v9' }, 'contract'],
    [{ eventTypes: [] }, 'eventTypes'],
    [{ eventTypes: ['invoice.paid', 'invoice.stolen'] }, 'eventTypes.1'],
    [{ eventTypes: ['*'] }, 'eventTypes.0'],
    [{ eventTypes: ['customer.*'] }, 'eventTypes.0'],
    [{ retrySchedule: [-1] }, 'retrySchedule.0'],
    [{ retrySchedule: [1.5] }, 'retrySchedule.0'],
    [{ retrySchedule: [1e99] }, 'retrySchedule.0'],
    [{ retrySchedule: Array(21).fill(1) }, 'retrySchedule'],
    [{ timeoutSeconds: 0 }, 'timeoutSeconds'],
    [{ timeoutSeconds: 61 }, 'timeoutSeconds'],
    [{ timeoutSeconds: '15' }, 'timeoutSeconds'],
    [{ description: 'a\u0000b' }, 'description'],
    [{ metadata: { a: '\ud800' } }, 'metadata.a'],
    [{ metadata: { a: 1 } }, 'metadata.a'],
    [{ metadata: Object.fromEntries(Array.from({ length: 51 }, (_, at) => [at, ''])) }, 'metadata'],
    [{ secret: 'mine' }, 'secret'],
    [{ status: 'disabled' }, 'status'],
  ])('refuses %j and says where', async (fields, path) => {
    const { status, body } = await make(fields)
    expect([status, body.error.code]).toEqual([422, 'invalid'])
    expect(body.error.details.map((detail: Json) => detail.path)).toContain(path)
  })

  test.each([
    'Host',
    'content-type',
    'Content-Length',
    'Connection',
    'transfer-encoding',
    'Expect',
    'Flo-Signature',
    'flo-event-type',
    'webhook-id',
    'Stripe-Signature',
    'a b',
    '',
    'x:y',
  ])('refuses the header "%s" and says why', async (name) => {
    const { status, body } = await make({ headers: { [name]: 'x' } })
    expect([status, body.error.details]).toEqual([
      422,
      [
        {
          path: `headers.${name}`,
          code: 'invalid_key',
          message: expect.stringMatching(/a header (name|that the gateway)/),
        },
      ],
    ])
  })

  test('refuses line breaks in headers, one header twice, and too many', async () => {
    for (const value of ['a\r\nX-Evil: 1', 'a\nb', 'a\u0000', 'ä', 'x'.repeat(4097)])
      expect((await make({ headers: { 'X-Ok': value } })).status).toBe(422)
    expect((await make({ headers: { 'X-A': '1', 'x-a': '2' } })).status).toBe(422)
    expect(
      (await make({ headers: Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`X-${at}`, ''])) })).status,
    ).toBe(422)
  })

  test('never echoes a header that is sensitive by its name', async () => {
    const { id, headers } = await made({
      headers: { Authorization: 'Bearer hidden', 'X-Api-Key': 'hidden', 'X-Team': 'a' },
    })
    expect(headers).toEqual({ Authorization: null, 'X-Api-Key': null, 'X-Team': 'a' })
    for (const path of ['/v1/endpoints', `/v1/endpoints/${id}`])
      expect((await ours.full.get(path)).text).not.toContain('hidden')
  })
})

describe('the URL', () => {
  test.each([
    '127.0.0.1',
    '127.1',
    '0x7f.1',
    '2130706433',
    '017700000001',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '127.0.0.1.',
  ])('may not be the loopback address, written as https://%s/', async (host) => {
    const closed = apiOn(db, { config: { adminKey: 'the-operators-own-key', allowedSubnets: [] } })
    const { status, body } = await closed.admin.post('/v1/endpoints', {
      clientId: ours.clientId,
      url: `https://${host}/`,
    })
    expect([status, body.error.code]).toEqual([422, 'url_blocked'])
  })

  test.each([
    '169.254.169.254',
    '10.0.0.1',
    '[fd00::1]',
    '[64:ff9b::a9fe:a9fe]',
    '[fe80::1]',
    '0.0.0.0',
    '168.63.129.16',
  ])('may not be the inner address %s', async (host) => {
    for (const change of [
      () => make({ url: `https://${host}/` }),
      () => ours.full.patch(`/v1/endpoints/${ours.endpointId}`, { url: `https://${host}/` }),
    ])
      expect((await change()).body.error.code).toBe('url_blocked')
  })

  test('may be http:// only where all addresses are opened', async () => {
    expect((await make({ url: 'http://127.0.0.1:9000/hook' })).status).toBe(201)
    for (const url of ['http://8.8.8.8/', 'http://10.0.0.1/', 'http://no-such-name.invalid/', 'http://[::1]/']) {
      const { status, body } = await make({ url })
      expect([status, body.error.code, body.error.details[0].path]).toEqual([422, 'https_required', 'url'])
    }
  })

  test('is kept as the WHATWG rules write it, without a fragment', async () => {
    expect((await made({ url: 'HTTPS://Example.COM:443/a b?c=d#e' })).url).toBe('https://example.com/a%20b?c=d')
  })
})

describe('rotation', () => {
  test('puts the new secret first and lets the old one sign until the grace period ends', async () => {
    const { id, secret: first } = await made()
    const { body } = await ours.full.post(`/v1/endpoints/${id}/secret/rotate`, { gracePeriodSeconds: 60 })
    const until = new Date(clock.now.getTime() + 60_000).toISOString()
    expect(body.data.previous).toMatchObject([{ secret: first, until }])
    expect(body.data.secret).not.toBe(first)
    expect((await ours.full.get(`/v1/endpoints/${id}/secret`)).body.data).toEqual(body.data)
    later(61)
    expect((await ours.full.get(`/v1/endpoints/${id}/secret`)).body.data.previous).toEqual([])
  })

  test('gives a day by default, and none with 0', async () => {
    const { id, secret: first } = await made()
    const day = await ours.full.post(`/v1/endpoints/${id}/secret/rotate`)
    expect(day.body.data.previous).toMatchObject([
      { secret: first, until: new Date(clock.now.getTime() + 86_400_000).toISOString() },
    ])
    const now = await ours.full.post(`/v1/endpoints/${id}/secret/rotate`, { gracePeriodSeconds: 0 })
    expect(now.body.data.previous.map(({ secret }: Json) => secret)).toEqual([first])
    for (const gracePeriodSeconds of [-1, 604_801, 1.5, '60'])
      expect((await ours.full.post(`/v1/endpoints/${id}/secret/rotate`, { gracePeriodSeconds })).status).toBe(422)
  })

  test('of many at once loses none', async () => {
    const { id } = await made()
    await Promise.all([1, 2, 3].map(() => ours.full.post(`/v1/endpoints/${id}/secret/rotate`, {})))
    expect((await ours.full.get(`/v1/endpoints/${id}/secret`)).body.data.previous).toHaveLength(3)
  })
})

describe('an endpoint that takes no more', () => {
  test('when disabled skips what waits for it, and can be enabled again', async () => {
    const { id } = await made()
    const { deliveryId } = await newDelivery(db, ours.clientId, id)
    const off = await ours.full.post(`/v1/endpoints/${id}/disable`)
    expect(off.body.data).toMatchObject({ status: 'disabled', disabledReason: 'manual' })
    expect(await stateOf(deliveryId)).toMatchObject({
      state: 'skipped',
      reason: 'endpoint_disabled',
      nextAttemptAt: null,
    })
    const on = await ours.full.post(`/v1/endpoints/${id}/enable`)
    expect(on.body.data).toMatchObject({ status: 'enabled', disabledReason: null, disabledAt: null })
  })

  test('when deleted is gone, but what was sent to it stays readable', async () => {
    const { id } = await made()
    const { deliveryId } = await newDelivery(db, ours.clientId, id)
    expect((await ours.full.delete(`/v1/endpoints/${id}`)).status).toBe(204)
    for (const send of [ours.full.get, ours.full.patch, ours.full.delete])
      expect((await send(`/v1/endpoints/${id}`)).status).toBe(404)
    const listed = (await ours.full.get('/v1/endpoints?limit=250')).body.data
    expect(listed.map((endpoint: Json) => endpoint.id)).not.toContain(id)
    expect(await stateOf(deliveryId)).toMatchObject({ state: 'cancelled', reason: 'endpoint_deleted' })
    expect((await ours.full.get(`/v1/deliveries?endpointId=${id}`)).body.data).toHaveLength(1)
  })
})

describe('a test event', () => {
  test('is delivered to this endpoint alone, as the contract shows it', async () => {
    const { id } = await made({ eventTypes: ['item.*'] })
    const { status, body } = await ours.full.post(`/v1/endpoints/${id}/test`, { eventType: 'invoice.paid' })
    expect([status, body.data]).toMatchObject([
      201,
      { endpointId: id, eventType: 'invoice.paid', state: 'pending', origin: 'test' },
    ])
    const sent = JSON.parse((await stateOf(body.data.id)).body)
    expect(sent).toEqual({
      ...contractNamed(api.deps.contracts, 'flo.v1').example('invoice.paid'),
      eventId: body.data.id,
    })
    const event = (await ours.full.get(`/v1/events/${body.data.eventId}`)).body.data
    expect(event).toMatchObject({ sourceEventId: null, deliveries: { pending: 1 } })
    expect(api.woken).toContainEqual({ clientId: ours.clientId, endpointIds: [id] })
  })

  test('needs an enabled endpoint and a type that exists', async () => {
    const { id } = await made()
    expect((await ours.full.post(`/v1/endpoints/${id}/test`, { eventType: 'invoice.stolen' })).status).toBe(422)
    await ours.full.post(`/v1/endpoints/${id}/disable`)
    expect((await ours.full.post(`/v1/endpoints/${id}/test`)).body.error.code).toBe('endpoint_disabled')
  })
})
