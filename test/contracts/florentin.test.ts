import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AttemptToSend } from '../../src/contracts/contract.ts'
import { florentin, florentinHeaders } from '../../src/contracts/florentin.ts'
import { newFloSecret } from '../../src/contracts/headers.ts'
import { present } from '../support/present.ts'

const deliveryId = '9f6f8b54-8e2d-4f15-8c8a-d7b6d9f41a00'
const bodyOf = (eventType: string) => JSON.stringify(florentin.example(eventType))
const attemptToSend = (extra: Partial<AttemptToSend> = {}): AttemptToSend => ({
  deliveryId,
  eventType: 'invoice.created',
  attempt: 1,
  wireBody: bodyOf('invoice.created'),
  secrets: [newFloSecret()],
  at: new Date(),
  ...extra,
})
const hmacHex = (secret: string, body: string) => createHmac('sha256', secret).update(body).digest('hex')

test("the public page's example is what leaves, byte for byte in its key order", () => {
  expect(bodyOf('invoice.created')).toBe(
    '{"event":"invoice.created","timestamp":"2026-06-06T12:00:00.000Z","data":{"invoice":{"id":"0b0b4c7e-3d2d-4a2e-9c1b-7d0a6f1f2e33",' +
      '"number":"INV-0042","status":"open","amount_due":4900,"currency":"eur"}}}',
  )
  expect(florentin.wireBody(deliveryId, bodyOf('invoice.created'))).toBe(bodyOf('invoice.created'))
})

test('the ten events stand in the order of the public page', () => {
  expect(florentin.eventTypes).toEqual([
    'account.created',
    'user.login',
    'subscription.purchased',
    'invoice.created',
    'subscription.upgraded',
    'subscription.downgraded',
    'subscription.cancelled',
    'team_member.added',
    'tos.accepted',
    'usage.metrics_updated',
  ])
})

test('a delivery carries the four headers, Content-Type and the User-Agent of Flo, and no other', () => {
  const secret = newFloSecret()
  expect(florentinHeaders(attemptToSend({ secrets: [secret] }))).toEqual({
    'Content-Type': 'application/json',
    'User-Agent': 'Flo-Gateway/1.0',
    'X-Florentin-Event': 'invoice.created',
    'X-Florentin-Timestamp': '2026-06-06T12:00:00.000Z',
    'X-Florentin-Signature': `sha256=${hmacHex(secret, bodyOf('invoice.created'))}`,
    'X-Florentin-Delivery-Id': deliveryId,
  })
})

test('a retry carries the same signature at any later time: it covers the raw body alone', () => {
  const secrets = [newFloSecret()]
  const [first, later] = [1, 2].map((attempt) =>
    florentinHeaders(attemptToSend({ secrets, attempt, at: new Date(attempt * 1e12) })),
  )
  expect(later).toEqual(first)
})

test('the timestamp header is that of the body, for every event type', () => {
  for (const eventType of florentin.eventTypes) {
    const wireBody = bodyOf(eventType)
    const headers = florentinHeaders(attemptToSend({ eventType, wireBody }))
    expect(headers['X-Florentin-Timestamp']).toBe(JSON.parse(wireBody).timestamp)
  }
})

test('during a rotation each attempt is signed with one secret, newest first, in turns', () => {
  const secrets = [newFloSecret(), newFloSecret()]
  const signatures = [1, 2, 3, 4].map(
    (attempt) => florentinHeaders(attemptToSend({ secrets, attempt }))['X-Florentin-Signature'],
  )
  const [fresh, old] = secrets.map((secret) => `sha256=${hmacHex(secret, bodyOf('invoice.created'))}`)
  expect(signatures).toEqual([fresh, old, fresh, old])
})

test('the key is the whole secret string, whatever is in it, and the body any text', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ unit: 'grapheme' }), (secret, text) => {
      const wireBody = JSON.stringify({ event: 'user.login', timestamp: '2026-01-01T00:00:00.000Z', data: { text } })
      const headers = florentinHeaders(attemptToSend({ secrets: [secret], wireBody }))
      expect(headers['X-Florentin-Signature']).toBe(`sha256=${hmacHex(secret, wireBody)}`)
    }),
  )
})

test('without a secret nothing is signed', () => {
  expect(() => florentinHeaders(attemptToSend({ secrets: [] }))).toThrow('secret')
})

test('four attempts in all: after 30, 120 and 300 seconds, to the second', () => {
  expect([florentin.retrySchedule, florentin.jitter]).toEqual([[30, 120, 300], 0])
})

test('every example fits its schema, and the schemas refuse what the contract does not have', () => {
  for (const eventType of florentin.eventTypes) {
    const example = florentin.example(eventType) as { data: Record<string, object> }
    expect(present(florentin.schemas[eventType]).safeParse(example).error).toBeUndefined()
    expect(present(florentin.schemas[eventType]).safeParse({ ...example, eventId: deliveryId }).success).toBe(false)
    expect(present(florentin.schemas[eventType]).safeParse({ ...example, event: 'invoice.paid' }).success).toBe(false)
    const [member = '', inner = {}] = Object.entries(example.data)[0] ?? []
    for (const field of Object.keys(inner)) {
      const rest = Object.fromEntries(Object.entries(inner).filter(([name]) => name !== field))
      const without = { ...example, data: { ...example.data, [member]: rest } }
      expect(present(florentin.schemas[eventType]).safeParse(without).success, `${eventType} without ${field}`).toBe(
        false,
      )
    }
  }
})
