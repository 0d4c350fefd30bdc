import { expect, test } from 'vitest'
import { idTime } from '../../src/domain/ids.ts'
import { freshDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { environment, temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'
import { call, runGateway } from '../support/program.ts'
import { startReceiver } from '../support/receiver.ts'
import { shiftedClock } from '../support/shifted-clock.ts'
import { signed } from '../support/stripe.ts'
import { subscriptionCreated } from '../support/subscription.ts'

const HOLD_SECONDS = 3
/** Between what happens here and what is stored of it, however busy the machine; far less than the clocks differ. */
const BUSY_MS = 15_000
const SECRET = 'whsec_of_the_source'

/** An event whose user is told by another one only: it is held. */
function withoutUser(): string {
  const event = JSON.parse(subscriptionCreated())
  event.data.object.metadata = {}
  return JSON.stringify(event)
}

test.each([
  ['30 s ahead of the database’s', 30_000],
  ['30 s behind it', -30_000],
  ['an hour ahead of it', 3_600_000],
  ['an hour behind it', -3_600_000],
])('a machine whose clock is %s counts durations by the database’s', async (_, shift) => {
  const { url, db } = await freshDatabase()
  const receiver = await startReceiver((_request, count) => ({ status: count === 1 ? 503 : 200 }))
  const process = runGateway(await temporaryFolder(), {
    ...environment(url, { FLO_HOLD_SECONDS: String(HOLD_SECONDS) }),
    NODE_OPTIONS: shiftedClock(shift),
  })
  const gateway = { url: await process.listening(), key: environment(url).FLO_ADMIN_KEY }
  const api = async (path: string, body: unknown) => {
    const reply = await call(gateway, 'POST', path, body)
    expect([path, reply.status]).toEqual([path, expect.toBeOneOf([200, 201])])
    return reply.body.data
  }
  const { id: clientId } = await api('/v1/clients', { name: 'Acme' })
  const source = await api('/v1/sources', { clientId, kind: 'stripe', signingSecrets: [SECRET] })
  const endpoint = await api('/v1/endpoints', { clientId, url: receiver.url, contract: 'flo.v1', retrySchedule: [1] })

  // Signatures name real time, as this machine knows it.
  const post = async (body: string) => {
    const headers = { 'stripe-signature': signed(body, SECRET, new Date(Date.now() + shift)) }
    const answer = await fetch(`${gateway.url}/webhooks/stripe/${source.id}`, { method: 'POST', headers, body })
    expect(answer.status).toBe(200)
  }
  await post(withoutUser())
  const held = await eventually(async () => {
    const { rows } = await db.query(
      'select id, received_at, held_until from source_events where held_until is not null',
    )
    return rows[0]
  })
  const heldMs = held.held_until.getTime() - held.received_at.getTime()
  expect(heldMs).toBeGreaterThan(HOLD_SECONDS * 1000 - 100)
  expect(heldMs).toBeLessThan(HOLD_SECONDS * 1000 + BUSY_MS)
  expect(Math.abs(idTime(held.id).getTime() - held.received_at.getTime())).toBeLessThan(BUSY_MS)
  const ended = await eventually(async () => {
    const { rows } = await db.query(`select now() as at from source_events where id = $1 and state <> 'held'`, [
      held.id,
    ])
    return rows[0]
  })
  expect(ended.at.getTime()).toBeGreaterThanOrEqual(held.held_until.getTime())
  expect(ended.at.getTime()).toBeLessThan(held.held_until.getTime() + BUSY_MS)

  // A second attempt after a failure, and the end of a secret's overlap.
  await post(subscriptionCreated())
  await eventually(() => receiver.requests.length >= 2)
  const signedAt = Number(present(receiver.requests[0]).headers['webhook-timestamp']) * 1000
  expect(Math.abs(signedAt - shift - Date.now())).toBeLessThan(10 * BUSY_MS)
  await api(`/v1/endpoints/${endpoint.id}/secret/rotate`, { gracePeriodSeconds: 600 })
  const { rows: secrets } = await db.query(
    `select (s->>'until')::timestamptz - now() < interval '605 seconds' as ends from endpoints, jsonb_array_elements(secrets) s
      where id = $1 and s->>'until' is not null`,
    [endpoint.id],
  )
  expect(secrets).toEqual([{ ends: true }])
})
