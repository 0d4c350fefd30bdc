import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Send } from './contract.ts'

const PREFIX = 'flo_whsec_'
const SECRET_BYTES = 32

/** A fresh signing secret: `flo_whsec_` and standard base64 of 32 random bytes. Rule: flo-v1.md, Delivery. */
export const newFloSecret = (): string => PREFIX + randomBytes(SECRET_BYTES).toString('base64')

// Importing a key costs as much as signing with it, and an endpoint signs with the same one for months.
const keys = new LRUCache<string, { flo: KeyObject; standard: KeyObject }>({ max: 5_000 })

function keysOf(secret: string) {
  const known = keys.get(secret)
  if (known) return known
  const base64 = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret
  const made = {
    flo: createSecretKey(secret, 'utf8'),
    standard: createSecretKey(Buffer.from(base64, 'base64')),
  }
  keys.set(secret, made)
  return made
}

/**
 * Every header of a Flo delivery, signed with all live secrets in both schemes. `Flo-Signature` is HMAC-SHA256 over
 * `<seconds>.<body>` keyed by the whole secret string (Stripe's scheme); `webhook-signature` is Standard Webhooks 1.0 over
 * `<id>.<seconds>.<body>` keyed by the bytes behind the prefix. Throws when there is no secret. Rule: flo-v1.md, Delivery.
 */
export function floHeaders(send: Send): Record<string, string> {
  if (send.secrets.length === 0) throw new Error('a delivery cannot be signed without a secret')
  const seconds = Math.floor(send.at.getTime() / 1000).toString()
  const floPrefix = `${seconds}.`
  const standardPrefix = `${send.deliveryId}.${seconds}.`
  let flo = `t=${seconds}`
  let standard = ''
  for (const secret of send.secrets) {
    const key = keysOf(secret)
    flo += `,v1=${createHmac('sha256', key.flo).update(floPrefix).update(send.wireBody).digest('hex')}`
    const signed = createHmac('sha256', key.standard).update(standardPrefix).update(send.wireBody).digest('base64')
    standard += `${standard === '' ? '' : ' '}v1,${signed}`
  }
  return {
    'Content-Type': 'application/json',
    'User-Agent': 'Flo-Gateway/1.0',
    'Flo-Signature': flo,
    'webhook-id': send.deliveryId,
    'webhook-timestamp': seconds,
    'webhook-signature': standard,
    'Flo-Event-Type': send.eventType,
    'Flo-Delivery-Attempt': String(send.attempt),
  }
}
