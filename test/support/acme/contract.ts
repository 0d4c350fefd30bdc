import { createHmac, randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Contract } from '../../../src/contracts/contract.ts'
import { present } from '../present.ts'

// A contract that the gateway does not know: bodies, key order, signature and retries of its own.

const renewal = z.strictObject({
  kind: z.literal('membership.extended'),
  member: z.string().nullable(),
  until: z.iso.datetime().nullable(),
  cents: z.number().nullable(),
})

export const acme: Contract = {
  name: 'acme.v3',
  eventTypes: ['membership.extended'],
  schemas: { 'membership.extended': renewal },
  wireSchemas: { 'membership.extended': z.strictObject({ ref: z.uuid(), ...renewal.shape }) },
  wireHeaders: z.strictObject({ 'Content-Type': z.string(), 'X-Acme-Kind': z.string(), 'X-Acme-Proof': z.string() }),
  retrySchedule: [1, 2],
  jitter: 0,
  signatureHeader: 'X-Acme-Proof',
  newSecret: () => `acme_${randomBytes(24).toString('hex')}`,
  wireBody: (deliveryId, body) => `{"ref":"${deliveryId}",${body.slice(1)}`,
  headers: ({ wireBody, secrets, eventType }) => ({
    'Content-Type': 'application/vnd.acme+json',
    'X-Acme-Kind': eventType,
    'X-Acme-Proof': createHmac('sha512', present(secrets[0])).update(wireBody).digest('base64url'),
  }),
  example: () => ({ kind: 'membership.extended', member: 'user_123', until: '2026-05-10T00:00:00.000Z', cents: 2900 }),
}

export { renewal }
