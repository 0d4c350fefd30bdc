import express from 'express'
import supertest from 'supertest'
import { expect } from 'vitest'
import { contracts, mappings } from '../../mappings/index.ts'
import { apiRouter } from '../../src/api/api.ts'
import type { ApiDeps } from '../../src/api/http/api-deps.ts'
import type { Route } from '../../src/api/http/route.ts'
import { replySchema } from '../../src/api/openapi.ts'
import { declareRoutes } from '../../src/api/routes.ts'
import { cancelBackfill, startBackfill } from '../../src/backfill/start.ts'
import type { Db } from '../../src/database/db.ts'
import { cancelDelivery } from '../../src/deliver/cancel.ts'
import { newId } from '../../src/domain/ids.ts'
import { forgetFailures } from '../../src/hydrate/circuit.ts'
import { newLog } from '../../src/log.ts'
import { createHostNames } from '../../src/network/names/host-names.ts'
import { describeMappings } from '../../src/normalize/catalog.ts'
import { dryRun } from '../../src/normalize/explain/dry-run.ts'
import { explainPage } from '../../src/normalize/explain/explain.ts'
import { renormalizeMatching, renormalizeOne } from '../../src/normalize/renormalize.ts'
import { createAppEventStore } from '../../src/receive/app-events.ts'
import { cancelReplay } from '../../src/replay/cancel.ts'
import { previewReplay } from '../../src/replay/preview.ts'
import { startReplay } from '../../src/replay/start.ts'
import { requestDeletion } from '../../src/retention/deletion/request.ts'
import { createKeyRing } from '../../src/secrets/keyring.ts'
import { present } from './present.ts'

export const ring = createKeyRing([{ id: 'test', key: Buffer.alloc(32, 7) }])
export const ADMIN_KEY = 'the-operators-own-key'

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

/** The API alone on an express app, with what it told the other rooms; every reply is checked against its schema. */
export function apiOn(db: Db, changed: Partial<ApiDeps> = {}) {
  const facts: { clientId: string; facts: string[] }[] = []
  const woken: { clientId: string; endpointIds: string[] | undefined }[] = []
  const deps: ApiDeps = {
    db,
    keyRing: ring,
    config: { adminKey: ADMIN_KEY, allowedSubnets: ['127.0.0.0/8'] },
    log: newLog('silent'),
    now: () => new Date(),
    contracts,
    names: createHostNames(),
    publicUrl: () => 'https://flo.example',
    checkReadiness: () => ({ isReady: true, details: {} }),
    resendDelivery: async () => {
      throw new Error('this test has no resend')
    },
    cancelDelivery,
    loadAdoptedUuids: async () => () => null,
    describeMappings: () => describeMappings(mappings),
    explainSourceEvent: (read, clientId, id, page) =>
      explainPage({ db: read, mappings, keyRing: ring, now: () => new Date() }, clientId, id, page),
    dryRunEvent: (read, clientId, sent, page) =>
      dryRun({ db: read, mappings, keyRing: ring, now: () => new Date(), holdSeconds: 10 }, clientId, sent, page),
    renormalizeOne: renormalizeOne,
    renormalizeMatching: renormalizeMatching,
    onFactsArrived: (clientId, arrived) => facts.push({ clientId, facts: arrived }),
    forgetFailures,
    startBackfill,
    cancelBackfill,
    storeAppEvents: createAppEventStore({ db, log: newLog('silent'), onStored: () => {} }),
    startReplay: (tx, clientId, asked) => startReplay(deps, tx, clientId, asked),
    previewReplay: (tx, clientId, asked) => previewReplay(deps, tx, clientId, asked),
    cancelReplay,
    requestDeletion: (tx, asked, options) => requestDeletion(tx, ring, asked, options),
    wakes: {
      normalize: () => {},
      deliver: (clientId, endpointIds) => woken.push({ clientId, endpointIds }),
      hydrate: () => {},
      backfill: () => {},
      replay: () => {},
      erase: () => {},
      route: () => {},
    },
    ...changed,
  }
  const app = express()
  app.use(apiRouter(deps))
  const declared = declareRoutes(deps)

  /** Sends a request with the key; `as(key).get(path)` answers `{status, body, headers}`. */
  const as = (key: string) => {
    const send =
      (method: Method) =>
      async (path: string, body?: unknown, headers: Record<string, string> = {}) => {
        const request = supertest(app)
          [method](path)
          .set({ authorization: `Bearer ${key}`, ...headers })
        const response = await (body === undefined
          ? request
          : request.set('content-type', 'application/json').send(json(body)))
        conforms(declared, method, path, response)
        return response
      }
    return { get: send('get'), post: send('post'), put: send('put'), patch: send('patch'), delete: send('delete') }
  }
  return { app, deps, declared, facts, woken, as, admin: as(ADMIN_KEY) }
}

const json = (body: unknown) => (typeof body === 'string' ? body : JSON.stringify(body))

/** Fails when a reply is not what /openapi.json says, and for every 5xx. */
export function conforms(declared: Route[], method: string, path: string, { status, body }: supertest.Response) {
  expect(status, JSON.stringify(body)).toBeLessThan(500)
  if (status >= 400) {
    expect(body).toEqual({
      error: {
        code: expect.any(String),
        message: expect.any(String),
        requestId: expect.any(String),
        details: expect.any(Array),
      },
    })
    return
  }
  const [pathname = ''] = path.split('?')
  const route = declared.find(
    (one) => one.method === method && new RegExp(`^${one.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(pathname),
  )
  if (!route || status === 204) return
  const { otherwise } = route
  const meant = otherwise?.status === status ? { ...otherwise, isList: false } : route
  expect(status).toBe(meant.status)
  const result = replySchema(meant).safeParse(body)
  expect(result.error?.issues ?? [], `${method} ${path}: ${JSON.stringify(body)}`).toEqual([])
}

/** Two tenants, each with keys of its own. */
export async function twoClients(api: ReturnType<typeof apiOn>) {
  const tenant = async (name: string) => {
    const { body } = await api.admin.post('/v1/clients', { name })
    const clientId: string = body.data.id
    const key = async (...scopes: string[]) =>
      api.as((await api.admin.post('/v1/api-keys', { clientId, scopes })).body.data.key)
    const [full, reader, writer] = [await key('read', 'write'), await key('read'), await key('write')]
    const source = await full.post('/v1/sources', { kind: 'stripe', signingSecrets: ['whsec_1'] })
    const endpoint = await full.post('/v1/endpoints', { url: 'https://example.com/hook', contract: 'flo.v1' })
    return { clientId, full, reader, writer, sourceId: source.body.data.id, endpointId: endpoint.body.data.id }
  }
  return { ours: await tenant('Ours'), theirs: await tenant('Theirs') }
}

/** A key of the client that may read and write, made just now. */
export const newKey = async ({ admin }: ReturnType<typeof apiOn>, clientId: string): Promise<string> =>
  (await admin.post('/v1/api-keys', { clientId, scopes: ['read', 'write'] })).body.data.key

/** An event with one delivery that waits, straight in the database. */
export async function newDelivery(db: Db, clientId: string, endpointId: string, eventType = 'invoice.paid') {
  const [eventId, deliveryId, sourceEventId] = [newId(), newId(), newId()]
  const body = present(contracts['flo.v1']).example(eventType)
  await db.query(
    `with body as (insert into event_bodies (client_id, event_id, body) values ($1, $2, $6))
     insert into events (client_id, id, source_event_id, contract, type, key, occurred_at)
     values ($1, $2, $3, 'flo.v1', $4, $5, now())`,
    [clientId, eventId, sourceEventId, eventType, eventId, JSON.stringify(body)],
  )
  await db.query(
    `insert into deliveries (client_id, event_id, id, endpoint_id, event_type) values ($1, $2, $3, $4, $5)`,
    [clientId, eventId, deliveryId, endpointId, eventType],
  )
  return { eventId, deliveryId, sourceEventId }
}
