import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { LRUCache } from 'lru-cache'

// Standard Webhooks, asymmetric: Ed25519, `whsk_` and `whpk_` before base64. As Svix and NaCl write them the private key is
// 64 bytes, the seed and behind it the public key.
const PRIVATE_PREFIX = 'whsk_'
const PUBLIC_PREFIX = 'whpk_'
const SEED_BYTES = 32

/** A fresh private key, `whsk_<base64>`. It is for the gateway alone; receivers get its public half. */
export function newPrivateKey(): string {
  const { d: seed, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  if (seed === undefined || x === undefined) throw new Error('The new Ed25519 key has no seed or no public half.')
  return (
    PRIVATE_PREFIX + Buffer.concat([Buffer.from(seed, 'base64url'), Buffer.from(x, 'base64url')]).toString('base64')
  )
}

export const isPrivateKey = (secret: string): boolean => secret.startsWith(PRIVATE_PREFIX)

/** What a receiver verifies with: `whpk_<base64>`. */
export const publicKeyOf = (privateKey: string): string =>
  PUBLIC_PREFIX + keyBytes(privateKey).subarray(SEED_BYTES).toString('base64')

const keyBytes = (privateKey: string) => Buffer.from(privateKey.slice(PRIVATE_PREFIX.length), 'base64')

// Importing a key costs as much as signing with it, and an endpoint signs with the same one for months.
const importedKeys = new LRUCache<string, KeyObject>({ max: 5_000 })

/** The Ed25519 signature of the text, in base64. */
export function signEd25519(privateKey: string, text: string): string {
  let key = importedKeys.get(privateKey)
  if (!key) {
    const [seed, x] = [keyBytes(privateKey).subarray(0, SEED_BYTES), keyBytes(privateKey).subarray(SEED_BYTES)]
    const jwk = { kty: 'OKP', crv: 'Ed25519', d: seed.toString('base64url'), x: x.toString('base64url') }
    key = createPrivateKey({ key: jwk, format: 'jwk' })
    importedKeys.set(privateKey, key)
  }
  return sign(null, Buffer.from(text), key).toString('base64')
}
