import { createHmac } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { expect, test } from 'vitest'
import type { AttemptToSend } from '../../src/contracts/contract.ts'
import { floHeaders, newFloSecret } from '../../src/contracts/headers.ts'
import { present } from '../support/present.ts'

const stripe = new Stripe('sk_test_unused')
const deliveryId = '9f6f8b54-8e2d-4f15-8c8a-d7b6d9f41a00'
const wireBody = `{"eventId":"${deliveryId}","eventVersion":"v1","user":{"email":"zoë@example.com"},"note":"€ and 🌱"}`

const attemptToSend = (extra: Partial<AttemptToSend> = {}): AttemptToSend => ({
  deliveryId,
  eventType: 'subscription.created',
  attempt: 1,
  wireBody,
  secrets: [newFloSecret()],
  at: new Date(),
  ...extra,
})
const stripeAccepts = (headers: Record<string, string>, secret: string) =>
  stripe.webhooks.constructEvent(wireBody, present(headers['Flo-Signature']), secret)
const standardAccepts = (headers: Record<string, string>, secret: string) =>
  new Webhook(secret.replace('flo_', '')).verify(wireBody, headers)

test("Stripe's own verifier accepts the Flo-Signature", () => {
  const secret = newFloSecret()
  expect(stripeAccepts(floHeaders(attemptToSend({ secrets: [secret] })), secret)).toMatchObject({ eventId: deliveryId })
})

test('the Standard Webhooks verifier accepts the webhook headers, given the secret without flo_', () => {
  const secret = newFloSecret()
  expect(standardAccepts(floHeaders(attemptToSend({ secrets: [secret] })), secret)).toMatchObject({
    eventId: deliveryId,
  })
})

test('during a rotation both verifiers accept the old and the new secret, and the newest signs first', () => {
  const secrets = [newFloSecret(), newFloSecret(), newFloSecret()]
  const at = new Date()
  const headers = floHeaders(attemptToSend({ secrets, at }))
  for (const secret of secrets) {
    expect(stripeAccepts(headers, secret)).toMatchObject({ eventId: deliveryId })
    expect(standardAccepts(headers, secret)).toMatchObject({ eventId: deliveryId })
  }
  const seconds = Math.floor(at.getTime() / 1000)
  const newest = createHmac('sha256', present(secrets[0])).update(`${seconds}.${wireBody}`).digest('hex')
  expect(headers['Flo-Signature']).toMatch(new RegExp(`^t=${seconds},v1=${newest}(,v1=[0-9a-f]{64}){2}$`))
  expect(present(headers['webhook-signature']).split(' ')).toHaveLength(3)
})

test('neither verifier accepts a foreign secret or an altered body', () => {
  const secret = newFloSecret()
  const headers = floHeaders(attemptToSend({ secrets: [secret] }))
  expect(() => stripeAccepts(headers, newFloSecret())).toThrow()
  expect(() => standardAccepts(headers, newFloSecret())).toThrow()
  expect(() => stripe.webhooks.constructEvent(`${wireBody} `, present(headers['Flo-Signature']), secret)).toThrow()
  expect(() => new Webhook(secret.replace('flo_', '')).verify(`${wireBody} `, headers)).toThrow()
})

test('the headers name the delivery, the event type and the attempt', () => {
  expect(floHeaders(attemptToSend({ attempt: 3, at: new Date('2026-05-01T10:00:00.900Z') }))).toMatchObject({
    'Content-Type': 'application/json',
    'User-Agent': expect.stringMatching(/^Flo-Gateway\//),
    'webhook-id': deliveryId,
    'webhook-timestamp': '1777629600',
    'Flo-Event-Type': 'subscription.created',
    'Flo-Delivery-Attempt': '3',
  })
})

test('a secret is flo_whsec_ and standard base64 of 32 bytes, never the same twice', () => {
  const [one, other] = [newFloSecret(), newFloSecret()]
  expect(one).toMatch(/^flo_whsec_[A-Za-z0-9+/]{43}=$/)
  expect(one).not.toBe(other)
})
