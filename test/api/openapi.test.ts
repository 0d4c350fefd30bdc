import { readFileSync } from 'node:fs'
import { Validator } from '@seriousme/openapi-schema-validator'
import fc from 'fast-check'
import supertest from 'supertest'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Json } from '../../src/domain/json.ts'
import { refusalCodes } from '../../src/errors.ts'
import { ADMIN_KEY, apiOn, conforms, newDelivery, twoClients } from '../support/api.ts'
import { freshDatabase } from '../support/database.ts'

const { db } = await freshDatabase()
const state = { ready: true }
let asked = 0
const api = apiOn(db, {
  checkReadiness: () => ({ isReady: state.ready, details: { database: state.ready } }),
  // Every request a second later: the fuzz shall not meet the rate limit.
  now: () => new Date(Date.now() + 1000 * asked++),
  resendDelivery: async () => ({ id: deliveryId, endpointId: ours.endpointId }),
})
const { ours } = await twoClients(api)
const { eventId, deliveryId } = await newDelivery(db, ours.clientId, ours.endpointId)
const document = (await supertest(api.app).get('/openapi.json')).body

describe('/openapi.json', () => {
  test('is a valid document of OpenAPI 3.1, without a key', async () => {
    const { valid, errors } = await new Validator().validate(structuredClone(document))
    expect(errors ?? []).toEqual([])
    expect([valid, document.openapi]).toEqual([true, '3.1.0'])
  })

  test('has every route once, each with an operationId of its own', () => {
    const operations = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
      Object.entries<Json>(methods).map(([method, operation]) => ({
        line: `${method} ${path}`,
        id: operation.operationId,
      })),
    )
    for (const { method, path } of api.declared)
      expect(operations.map(({ line }) => line)).toContain(`${method} ${path}`)
    expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length)
  })

  test('tells what receivers get', () => {
    for (const { name, eventTypes, wireHeaders } of Object.values(api.deps.contracts))
      for (const eventType of eventTypes) {
        const { post } = document.webhooks[`${name} ${eventType}`]
        expect(post.requestBody.content['application/json'].schema).toMatchObject({ type: 'object' })
        const headers = post.parameters.map((parameter: Json) => parameter.name)
        expect(['Content-Type', ...headers]).toEqual(Object.keys(wireHeaders.shape))
      }
  })

  test('tells defaults and bounds of the page', () => {
    const parameters = document.paths['/v1/deliveries'].get.parameters
    expect(parameters.find(({ name }: Json) => name === 'limit').schema).toMatchObject({
      type: 'integer',
      minimum: 1,
      maximum: 250,
      default: 50,
    })
  })
})

describe('without a key', () => {
  test('/healthz and /readyz answer', async () => {
    expect((await supertest(api.app).get('/healthz')).body).toEqual({ status: 'ok' })
    expect((await supertest(api.app).get('/readyz')).status).toBe(200)
    state.ready = false
    const { status, body } = await supertest(api.app).get('/readyz')
    expect([status, body]).toEqual([503, { status: 'unavailable', details: { database: false } }])
    state.ready = true
  })

  test('/docs renders the document with assets of our own', async () => {
    expect((await supertest(api.app).get('/')).headers.location).toBe('docs')
    const page = await supertest(api.app).get('/docs')
    expect(page.headers['content-security-policy']).toContain("default-src 'self'")
    const assets = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path)
    expect(assets.length).toBeGreaterThan(3)
    for (const path of assets) expect((await supertest(api.app).get(`/${path}`)).status).toBe(200)
  })
})

/** The members of a body; of one in several shapes, those of the first. */
const membersOf = (body: z.ZodType): string[] =>
  body instanceof z.ZodObject
    ? Object.keys(body.shape)
    : body instanceof z.ZodUnion
      ? membersOf(body.options[0] as z.ZodType)
      : []

test('no request, however strange, is our own fault', async () => {
  const ids = [ours.endpointId, ours.sourceId, ours.clientId, eventId, deliveryId]
  const scalar = fc.oneof(
    fc.constantFrom(
      ...ids,
      'stripe',
      'flo.v1',
      'https://example.com/',
      'http://127.0.0.1/',
      'whsec_1',
      'read',
      'admin',
      'cus_1',
    ),
    fc.string({ unit: 'binary' }),
    fc.double(),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constantFrom(null, '\u0000', '\ud800', 1e308, -1, '9'.repeat(400), '__proto__', "'; drop table clients; --"),
  )
  const value = fc.oneof(
    scalar,
    fc.array(scalar, { maxLength: 3 }),
    fc.dictionary(fc.string(), scalar, { maxKeys: 3 }),
    fc.json().map((text) => JSON.parse(text)),
  )
  const route = fc.constantFrom(...api.declared.filter(({ method }) => method !== 'delete'))
  const request = route.chain((one) =>
    fc.record({
      one: fc.constant(one),
      // Half of the ids are real, or nothing would get past the look-up.
      segment: fc.oneof(fc.constantFrom(...ids), fc.string({ unit: 'binary', minLength: 1 })),
      query: fc.dictionary(fc.constantFrom(...Object.keys(one.query.shape), 'x'), scalar, { maxKeys: 3 }),
      body: fc.oneof(
        {
          arbitrary: fc.record(Object.fromEntries(membersOf(one.body).map((key) => [key, value])), {
            requiredKeys: [],
          }),
          weight: 4,
        },
        { arbitrary: value, weight: 1 },
      ),
      key: fc.option(fc.string({ unit: 'binary' }), { freq: 8 }),
    }),
  )
  const well = (text: string) => encodeURIComponent(text.toWellFormed())
  await fc.assert(
    fc.asyncProperty(request, async ({ one, segment, query, body, key }) => {
      const path = one.path.replace(/\{\w+\}/, well(segment))
      const search = Object.entries(query).map(([name, given]) => `${name}=${well(String(given))}`)
      const request = supertest(api.app)
        [one.method](`${path}?${search.join('&')}`)
        .set('authorization', `Bearer ${ADMIN_KEY}`)
      if (key !== null) request.set('idempotency-key', encodeURIComponent(key.toWellFormed()))
      const response = await (one.method === 'get' ? request : request.type('json').send(JSON.stringify(body)))
      conforms(api.declared, one.method, one.path, response)
    }),
    { numRuns: 1500 },
  )
})

test('docs/errors.md lists the codes and their status, all of them and no others', () => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\d+) \| (.+?) \|/gm)].map(([, code, status, message]) => [
    code,
    Number(status),
    message,
  ])
  expect(rows).toEqual(Object.entries(refusalCodes).map(([code, { status, message }]) => [code, status, message]))
})
