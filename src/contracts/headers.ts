import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { AttemptToSend } from './contract.ts'
import { isPrivateKey, signEd25519 } from './key-pairs.ts'

/** What every delivery says of its sender, whatever its contract. */
export const USER_AGENT = 'Flo-Gateway/1.0'

const SECRET_PREFIX = 'flo_whsec_'
const SECRET_BYTES = 32
const CUSTOM_BYTES = { least: 24, most: 64 }

/** A fresh signing secret: `flo_whsec_` and standard base64 of 32 random bytes. Rule: docs/contracts/flo-v1.md 5.2. */
export const newFloSecret = (): string => SECRET_PREFIX + randomBytes(SECRET_BYTES).toString('base64')

/** Why a client's own secret cannot be used, or null. Rule: docs/contracts/flo-v1.md 5.2; the bounds are Standard Webhooks'. */
export function floSecretTrouble(secret: string): string | null {
  const base64 = secret.slice(SECRET_PREFIX.length)
  const bytes = Buffer.from(base64, 'base64')
  if (!secret.startsWith(SECRET_PREFIX)) return `must begin with ${SECRET_PREFIX}`
  // Decoders differ in what they make of other spellings, and the same bytes are the key everywhere.
  if (bytes.toString('base64') !== base64) return `must be standard base64 with its padding behind ${SECRET_PREFIX}`
  if (bytes.length < CUSTOM_BYTES.least || bytes.length > CUSTOM_BYTES.most)
    return `must be base64 of ${CUSTOM_BYTES.least} to ${CUSTOM_BYTES.most} bytes behind ${SECRET_PREFIX}, not of ${bytes.length}`
  return null
}

// Importing a key costs as much as signing with it, and an endpoint signs with the same one for months.
const importedKeys = new LRUCache<string, { flo: KeyObject; standard: KeyObject }>({ max: 5_000 })

function importKeys(secret: string) {
  const cached = importedKeys.get(secret)
  if (cached) return cached
  const base64 = secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret
  const imported = {
    flo: createSecretKey(secret, 'utf8'),
    standard: createSecretKey(Buffer.from(base64, 'base64')),
  }
  importedKeys.set(secret, imported)
  return imported
}

/**
 * Every header of a Flo delivery, signed with all live secrets. `Flo-Signature` is HMAC-SHA256 over `<seconds>.<body>` keyed
 * by the whole secret string (Stripe's scheme); `webhook-signature` is Standard Webhooks 1.0 over `<id>.<seconds>.<body>`,
 * `v1` keyed by the bytes behind the prefix. A private key (`whsk_`) signs the latter alone, as `v1a`: with such keys only,
 * there is no `Flo-Signature`. Throws when there is no secret. Rule: docs/contracts/flo-v1.md 5.2.
 */
export function floHeaders(attempt: AttemptToSend): Record<string, string> {
  if (attempt.secrets.length === 0) throw new Error('a delivery cannot be signed without a secret')
  const seconds = Math.floor(attempt.at.getTime() / 1000).toString()
  const floPrefix = `${seconds}.`
  const standardPrefix = `${attempt.deliveryId}.${seconds}.`
  let flo = ''
  let standard = ''
  for (const secret of attempt.secrets) {
    if (standard !== '') standard += ' '
    if (isPrivateKey(secret)) {
      standard += `v1a,${signEd25519(secret, standardPrefix + attempt.wireBody)}`
      continue
    }
    const key = importKeys(secret)
    flo += `,v1=${createHmac('sha256', key.flo).update(floPrefix).update(attempt.wireBody).digest('hex')}`
    standard += `v1,${createHmac('sha256', key.standard).update(standardPrefix).update(attempt.wireBody).digest('base64')}`
  }
  return {
    'Content-Type': 'application/json',
    'User-Agent': USER_AGENT,
    ...(flo !== '' && { 'Flo-Signature': `t=${seconds}${flo}` }),
    'webhook-id': attempt.deliveryId,
    'webhook-timestamp': seconds,
    'webhook-signature': standard,
    'Flo-Event-Type': attempt.eventType,
    'Flo-Delivery-Attempt': String(attempt.attempt),
  }
}
