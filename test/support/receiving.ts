import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import Stripe from 'stripe'
import { type Db, inTransaction } from '../../src/database/db.ts'
import { newId } from '../../src/domain/ids.ts'
import { newLog } from '../../src/log.ts'
import { receiveRoutes } from '../../src/receive/routes.ts'
import { createKeyRing } from '../../src/secrets/keyring.ts'
import { afterwards } from './afterwards.ts'

export const SECRET = 'whsec_test_secret'
export const keys = createKeyRing([{ id: 'test', key: Buffer.alloc(32, 7) }])

/** What the webhook route answers: that the event was received, or why it was refused. */
export interface WebhookAnswer {
  received?: boolean
  duplicate?: boolean
  error?: { code: string; message: string; requestId: string; details: unknown[] }
}

/** Stripe's own signature over a body, as the test header of its SDK writes it. */
export const stripeSignature = (body: string | Buffer, secret = SECRET, at = new Date()): string =>
  Stripe.webhooks.generateTestHeaderString({
    payload: body.toString(),
    secret,
    timestamp: Math.floor(at.getTime() / 1000),
  })

/** A client with one source, straight in the database. */
export async function newSource(db: Db, secrets: string[] = [SECRET]) {
  const [clientId, sourceId] = [newId(), newId()]
  await inTransaction(db, async (tx) => {
    await tx.query('insert into clients (id, name) values ($1, $2)', [clientId, 'Test'])
    await tx.query(`insert into sources (id, client_id, kind, signing_secrets) values ($1, $2, 'stripe', $3)`, [
      sourceId,
      clientId,
      secrets.map(keys.encrypt),
    ])
  })
  return { clientId, sourceId }
}

/** The receiving room alone on a real server; `stored` lists the clients that it called `onStored` for. */
export async function receiving(db: Db, { now = () => new Date() } = {}) {
  const stored: string[] = []
  const app = express()
  app.use(receiveRoutes({ db, keyRing: keys, log: newLog('silent'), now, onStored: (id) => stored.push(id) }))
  const server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(async () => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const post = async (sourceId: string, body: string | Buffer, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}/webhooks/stripe/${sourceId}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'stripe-signature': stripeSignature(body), ...headers },
      body: Uint8Array.from(Buffer.from(body)),
    })
    return {
      status: response.status,
      requestId: response.headers.get('x-request-id'),
      body: (await response.json()) as WebhookAnswer,
    }
  }
  return { url, stored, post }
}

let count = 0
/** A snapshot event as text, with an id of its own. */
export const stripeEvent = (fields: object = {}): string =>
  JSON.stringify({
    id: `evt_test_${++count}`,
    object: 'event',
    api_version: '2026-10-28.endive',
    created: 1_780_000_000,
    livemode: false,
    type: 'customer.updated',
    data: { object: { id: 'cus_1', object: 'customer' } },
    ...fields,
  })
