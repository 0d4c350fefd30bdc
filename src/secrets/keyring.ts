import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { ConfigError } from '../errors.ts'
import type { Log } from '../log.ts'
import { loadOrCreateSecret } from './secret-file.ts'

/** Encrypts secrets at rest with AES-256-GCM. The first key encrypts; every key of the ring decrypts. */
export interface KeyRing {
  /** Ids of all keys, the encrypting one first. */
  readonly ids: readonly string[]
  /** Plain text in, `<key id>:<base64 of iv, tag and cipher text>` out. */
  encrypt(text: string): string
  /** The reverse; throws when the key is not in the ring or the text was altered. */
  decrypt(sealed: string): string
}

/** Parses FLO_ENCRYPTION_KEYS: `id:base64,id:base64,...` with 32-byte keys. Throws with what to correct. */
export function parseKeys(text: string): { id: string; key: Buffer }[] {
  const keys = text.split(',').map((entry) => {
    const [, id, base64] = /^\s*([A-Za-z0-9_-]+):([A-Za-z0-9+/=_-]+)\s*$/.exec(entry) ?? []
    if (!id || !base64) throw new Error('each key must read <id>:<base64>, separated by commas')
    const key = Buffer.from(base64, 'base64')
    if (key.length !== 32) throw new Error(`key ${id} has ${key.length} bytes, 32 are needed (openssl rand -base64 32)`)
    return { id, key }
  })
  const twice = keys.find(({ id }, at) => keys.findIndex((other) => other.id === id) !== at)
  if (twice) throw new Error(`two keys have the id ${twice.id}: what one encrypts the other could not decrypt`)
  return keys
}

/** The id of the key that a text was encrypted with. */
export const keyIdOf = (sealed: string): string => sealed.slice(0, sealed.indexOf(':'))

/**
 * The key ring of an installation: from its environment, else a generated one that is stored beside the embedded database whose
 * secrets it decrypts.
 */
export async function loadKeyRing(
  config: {
    encryptionKeys: { id: string; key: Buffer }[] | undefined
    dataDir: string
  },
  log: Log,
): Promise<KeyRing> {
  if (config.encryptionKeys) return createKeyRing(config.encryptionKeys)
  const generateKey = () => `k1:${randomBytes(32).toString('base64')}`
  const file = join(config.dataDir, 'encryption-keys')
  const text = await loadOrCreateSecret(file, { generateSecret: generateKey, log })
  try {
    return createKeyRing(parseKeys(text))
  } catch (cause) {
    throw new ConfigError(
      `${file} does not hold the keys of the database beside it (${(cause as Error).message}): put the right file back.`,
      { cause },
    )
  }
}

const CACHED_CHARS = 8 * 1024 * 1024
const CACHED_TEXT_CHARS = 16 * 1024

export function createKeyRing(keys: { id: string; key: Buffer }[]): KeyRing {
  const byId = new Map(keys.map(({ id, key }) => [id, key]))
  const first = keys[0]
  if (!first) throw new Error('the key ring is empty')
  // The same few secrets are decrypted at every attempt. Larger texts, kept replies say, would fill the memory.
  const decrypted = new LRUCache<string, string>({
    max: 10_000,
    maxSize: CACHED_CHARS,
    maxEntrySize: CACHED_TEXT_CHARS,
    sizeCalculation: (text, sealed) => text.length + sealed.length + 1,
  })
  return {
    ids: keys.map(({ id }) => id),
    encrypt(text) {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', first.key, iv)
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return `${first.id}:${Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64')}`
    },
    decrypt(sealed) {
      const cachedText = decrypted.get(sealed)
      if (cachedText !== undefined) return cachedText
      const [id = '', base64 = ''] = sealed.split(':')
      const key = byId.get(id)
      if (!key) throw new Error(`encryption key "${id}" is not in FLO_ENCRYPTION_KEYS: add it to the ring again`)
      const bytes = Buffer.from(base64, 'base64')
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12))
      decipher.setAuthTag(bytes.subarray(12, 28))
      const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8')
      decrypted.set(sealed, text)
      return text
    },
  }
}
