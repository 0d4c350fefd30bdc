import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { LRUCache } from 'lru-cache'

// Standard Webhooks, asymmetric: Ed25519, `whsk_` and `whpk_` before base64. As Svix and NaCl write them the private key is
// 64 bytes, the seed and behind it the public key.
const PRIVATE = 'whsk_'
const PUBLIC = 'whpk_'
const SEED_BYTES = 32

/** A fresh private key, `whsk_<base64>`. It is for the gateway alone; receivers get its public half. */
export function newPrivateKey(): string {
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  return PRIVATE + Buffer.concat([Buffer.from(d!, 'base64url'), Buffer.from(x!, 'base64url')]).toString('base64')
}

export const isPrivateKey = (secret: string): boolean => secret.startsWith(PRIVATE)

/** What a receiver verifies with: `whpk_<base64>`. */
export const publicKeyOf = (privateKey: string): string =>
  PUBLIC + bytesOf(privateKey).subarray(SEED_BYTES).toString('base64')

const bytesOf = (privateKey: string) => Buffer.from(privateKey.slice(PRIVATE.length), 'base64')

// Importing a key costs as much as signing with it, and an endpoint signs with the same one for months.
const keys = new LRUCache<string, KeyObject>({ max: 5_000 })

/** The Ed25519 signature of the text, in base64. */
export function signed(privateKey: string, text: string): string {
  let key = keys.get(privateKey)
  if (!key) {
    const [seed, x] = [bytesOf(privateKey).subarray(0, SEED_BYTES), bytesOf(privateKey).subarray(SEED_BYTES)]
    const jwk = { kty: 'OKP', crv: 'Ed25519', d: seed.toString('base64url'), x: x.toString('base64url') }
    key = createPrivateKey({ key: jwk, format: 'jwk' })
    keys.set(privateKey, key)
  }
  return sign(null, Buffer.from(text), key).toString('base64')
}
