import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Send } from './contract.ts'
import { isPrivateKey, signed } from './key-pairs.ts'

const PREFIX = 'flo_whsec_'
const SECRET_BYTES = 32
const CUSTOM_BYTES = { least: 24, most: 64 }

/** A fresh signing secret: `flo_whsec_` and standard base64 of 32 random bytes. Rule: flo-v1.md, Delivery. */
export const newFloSecret = (): string => PREFIX + randomBytes(SECRET_BYTES).toString('base64')

/** Why a client's own secret cannot be used, or null. Rule: flo-v1.md, Delivery; the bounds are Standard Webhooks'. */
export function floSecretTrouble(secret: string): string | null {
  const base64 = secret.slice(PREFIX.length)
  const bytes = Buffer.from(base64, 'base64')
  if (!secret.startsWith(PREFIX)) return `must begin with ${PREFIX}`
  // Decoders differ in what they make of other spellings, and the same bytes are the key everywhere.
  if (bytes.toString('base64') !== base64) return `must be standard base64 with its padding behind ${PREFIX}`
  if (bytes.length < CUSTOM_BYTES.least || bytes.length > CUSTOM_BYTES.most)
    return `must be base64 of ${CUSTOM_BYTES.least} to ${CUSTOM_BYTES.most} bytes behind ${PREFIX}, not of ${bytes.length}`
  return null
}

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
 * Every header of a Flo delivery, signed with all live secrets. `Flo-Signature` is HMAC-SHA256 over `<seconds>.<body>` keyed
 * by the whole secret string (Stripe's scheme); `webhook-signature` is Standard Webhooks 1.0 over `<id>.<seconds>.<body>`,
 * `v1` keyed by the bytes behind the prefix. A private key (`whsk_`) signs the latter alone, as `v1a`: with such keys only,
 * there is no `Flo-Signature`. Throws when there is no secret. Rule: flo-v1.md, Delivery.
 */
export function floHeaders(send: Send): Record<string, string> {
  if (send.secrets.length === 0) throw new Error('a delivery cannot be signed without a secret')
  const seconds = Math.floor(send.at.getTime() / 1000).toString()
  const floPrefix = `${seconds}.`
  const standardPrefix = `${send.deliveryId}.${seconds}.`
  let flo = ''
  let standard = ''
  for (const secret of send.secrets) {
    if (standard !== '') standard += ' '
    if (isPrivateKey(secret)) {
      standard += `v1a,${signed(secret, standardPrefix + send.wireBody)}`
      continue
    }
    const key = keysOf(secret)
    flo += `,v1=${createHmac('sha256', key.flo).update(floPrefix).update(send.wireBody).digest('hex')}`
    standard += `v1,${createHmac('sha256', key.standard).update(standardPrefix).update(send.wireBody).digest('base64')}`
  }
  return {
    'Content-Type': 'application/json',
    'User-Agent': 'Flo-Gateway/1.0',
    ...(flo !== '' && { 'Flo-Signature': `t=${seconds}${flo}` }),
    'webhook-id': send.deliveryId,
    'webhook-timestamp': seconds,
    'webhook-signature': standard,
    'Flo-Event-Type': send.eventType,
    'Flo-Delivery-Attempt': String(send.attempt),
  }
}
