import { describe, expect, test } from 'vitest'
import { createFirstAdminKey } from '../../src/api/resources/create-api-key.ts'
import { newId } from '../../src/domain/ids.ts'
import type { Json } from '../../src/domain/json.ts'
import { apiOn, newDelivery, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'

const { db } = await freshDatabase()
const api = apiOn(db)
const { ours, theirs } = await twoClients(api)
const mine = await newDelivery(db, ours.clientId, ours.endpointId)
const foreign = await newDelivery(db, theirs.clientId, theirs.endpointId)

describe('a key', () => {
  test.each([undefined, '', 'Bearer', 'Basic abc', 'Bearer flo_sk_x_y', `Bearer flo_sk_${newId()}_secret`, 'Bearer  '])(
    'is needed: "%s" is 401',
    async (authorization) => {
      const { status, body, headers } = await api
        .as('')
        .get('/v1/clients', undefined, authorization ? { authorization } : {})
      expect(headers['www-authenticate']).toBe('Bearer')
      expect([status, body.error.code]).toEqual([401, 'unauthorized'])
    },
  )

  test('made for a new database is an operator, and only its hash is kept', async () => {
    const made = await Promise.all([1, 2, 3].map(() => createFirstAdminKey(db)))
    const [key = '', ...others] = made.filter((one) => one !== undefined)
    expect(others).toEqual([])
    expect(key).toMatch(/^flo_sk_[0-9a-f-]{36}_[\w-]{43}$/)
    expect(await createFirstAdminKey(db)).toBeUndefined()
    expect((await api.as(key).get('/v1/clients')).status).toBe(200)
    expect((await api.as(`${key}x`).get('/v1/clients')).status).toBe(401)
    const { rows } = await db.query('select * from api_keys')
    expect(JSON.stringify(rows)).not.toContain(key.split('_').at(-1))
  })

  test('that is revoked is refused from the next request on, and cannot revoke itself', async () => {
    const made = await api.admin.post('/v1/api-keys', { clientId: ours.clientId, scopes: ['read'], name: 'for a day' })
    const { id, key } = made.body.data
    expect((await api.as(key).get('/v1/endpoints')).status).toBe(200)
    expect((await api.admin.delete(`/v1/api-keys/${id}`)).status).toBe(204)
    expect((await api.as(key).get('/v1/endpoints')).status).toBe(401)
    expect((await api.admin.get(`/v1/api-keys/${id}`)).body.data.revokedAt).not.toBeNull()

    const operator = (await api.admin.post('/v1/api-keys', { scopes: ['admin'] })).body.data
    const refused = await api.as(operator.key).delete(`/v1/api-keys/${operator.id}`)
    expect([refused.status, refused.body.error.code]).toEqual([409, 'key_in_use'])
  })

  test('of a client has read and write at most; without a client it is an operator with admin', async () => {
    for (const body of [{ clientId: ours.clientId, scopes: ['read', 'admin'] }, { scopes: ['read'] }, { scopes: [] }])
      expect((await api.admin.post('/v1/api-keys', body)).status).toBe(422)
  })

  test('is listed without its secret, by client where one is named', async () => {
    const { body } = await api.admin.get(`/v1/api-keys?clientId=${ours.clientId}`)
    expect(body.data.length).toBeGreaterThan(2)
    expect(new Set(body.data.map((key: Json) => key.clientId))).toEqual(new Set([ours.clientId]))
  })
})

describe('scopes', () => {
  test('read is every GET of the own client, and nothing else', async () => {
    for (const path of ['sources', 'endpoints', 'users', 'source-events', 'events', 'deliveries', 'event-types'])
      expect((await ours.reader.get(`/v1/${path}`)).status).toBe(200)
    expect((await ours.reader.get(`/v1/sources/${ours.sourceId}`)).status).toBe(200)
    expect((await ours.reader.post(`/v1/endpoints/${ours.endpointId}/disable`)).status).toBe(403)
    expect((await ours.reader.put('/v1/users/u1', {})).status).toBe(403)
    expect((await ours.reader.post('/v1/endpoints', { nonsense: true })).status).toBe(403)
  })

  test('the signing secret needs write, since who has it can sign as we do', async () => {
    expect((await ours.reader.get(`/v1/endpoints/${ours.endpointId}/secret`)).status).toBe(403)
    expect((await ours.writer.get(`/v1/endpoints/${ours.endpointId}/secret`)).status).toBe(200)
    expect((await ours.writer.get('/v1/endpoints')).status).toBe(403)
  })

  test('clients and API keys are for operators', async () => {
    for (const path of ['clients', 'api-keys', `clients/${ours.clientId}`])
      expect((await ours.full.get(`/v1/${path}`)).status).toBe(403)
    expect((await ours.full.post('/v1/api-keys', { clientId: ours.clientId, scopes: ['read'] })).status).toBe(403)
  })
})

describe('what belongs to another client', () => {
  const paths = (tenant: typeof ours, { eventId, deliveryId }: typeof mine) => [
    `GET /v1/sources/${tenant.sourceId}`,
    `PATCH /v1/sources/${tenant.sourceId}`,
    `GET /v1/endpoints/${tenant.endpointId}`,
    `PATCH /v1/endpoints/${tenant.endpointId}`,
    `DELETE /v1/endpoints/${tenant.endpointId}`,
    `GET /v1/endpoints/${tenant.endpointId}/secret`,
    `POST /v1/endpoints/${tenant.endpointId}/secret/rotate`,
    `POST /v1/endpoints/${tenant.endpointId}/enable`,
    `POST /v1/endpoints/${tenant.endpointId}/disable`,
    `POST /v1/endpoints/${tenant.endpointId}/test`,
    `GET /v1/events/${eventId}`,
    `GET /v1/deliveries/${deliveryId}`,
    `GET /v1/deliveries/${deliveryId}/attempts`,
    `POST /v1/deliveries/${deliveryId}/resend`,
    `GET /v1/deliveries?endpointId=${tenant.endpointId}`,
    `GET /v1/deliveries?eventId=${eventId}`,
    `GET /v1/source-events?sourceId=${tenant.sourceId}`,
    `GET /v1/clients/${tenant.clientId}`,
    `GET /v1/endpoints?clientId=${tenant.clientId}`,
    `GET /v1/endpoints/${ours.endpointId}?clientId=${tenant.clientId}`,
  ]

  test.each(paths(theirs, foreign))('is not found, whatever the scopes: %s', async (line) => {
    const [method = '', path = ''] = line.split(' ')
    for (const key of [ours.full, ours.reader, ours.writer]) {
      const { status, body } = await key[method.toLowerCase() as 'get'](path)
      expect([status, body.error.code]).toEqual([404, 'not_found'])
    }
  })

  test('is not found in a body either', async () => {
    const { clientId } = theirs
    for (const key of [ours.full, ours.reader]) {
      expect((await key.post('/v1/endpoints', { clientId, url: 'https://example.com' })).status).toBe(404)
      expect((await key.post('/v1/sources', { clientId, signingSecrets: ['whsec_1'] })).status).toBe(404)
      expect((await key.put('/v1/users/u1', { clientId })).status).toBe(404)
      expect((await key.post('/v1/api-keys', { clientId, scopes: ['read'] })).status).toBe(404)
    }
  })

  test('looks like what does not exist at all, and like what is no id', async () => {
    for (const id of [newId(), 'nonsense', '%00', '1', encodeURIComponent("' or 1=1")])
      for (const path of [`endpoints/${id}`, `sources/${id}`, `deliveries/${id}/attempts`, `source-events/${id}`])
        for (const key of [ours.full, api.admin]) expect((await key.get(`/v1/${path}`)).status).toBe(404)
  })
})

describe('an operator', () => {
  test('gets anything by its id, with or without naming the client', async () => {
    for (const at of ['', `?clientId=${ours.clientId}`])
      for (const path of [`events/${mine.eventId}`, `deliveries/${mine.deliveryId}`, `endpoints/${ours.endpointId}`])
        expect((await api.admin.get(`/v1/${path}${at}`)).body.data.clientId).toBe(ours.clientId)
    expect((await api.admin.get(`/v1/events/${mine.eventId}?clientId=${theirs.clientId}`)).status).toBe(404)
  })

  test('lists across all clients, or one', async () => {
    const all = await api.admin.get('/v1/deliveries')
    expect(all.body.data.map(({ id }: Json) => id)).toEqual([foreign.deliveryId, mine.deliveryId])
    const one = await api.admin.get(`/v1/deliveries?clientId=${ours.clientId}`)
    expect(one.body.data.map(({ id }: Json) => id)).toEqual([mine.deliveryId])
  })

  test('must name the client of what it makes', async () => {
    const { status, body } = await api.admin.post('/v1/endpoints', { url: 'https://example.com' })
    expect([status, body.error.details[0]]).toMatchObject([422, { path: 'clientId', code: 'required' }])
    const unknown = await api.admin.post('/v1/endpoints', { clientId: newId(), url: 'https://example.com' })
    expect(unknown.status).toBe(404)
  })
})
