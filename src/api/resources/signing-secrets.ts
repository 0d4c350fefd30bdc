import { z } from 'zod'
import type { Contract } from '../../contracts/contract.ts'
import { Refusal } from '../../errors.ts'
import type { KeyRing } from '../../secrets/keyring.ts'

/** A signing secret as endpoints.secrets keeps it: sealed, and until when it signs (null: no end). Newest first. */
export interface StoredSecret {
  secret: string
  until: string | null
  /** Of a key pair; a secret that both sides hold has none. */
  publicKey?: string
}

/** How many may sign at once. Rule: DESIGN.md 4, rotation. */
const MAX_LIVE = 5

export const signature = z.enum(['hmac', 'ed25519']).meta({
  description:
    '`hmac`: by a secret that both sides hold. `ed25519`: by a private key that only the gateway holds, verified with `publicKey`.',
})
export const customSecret = z.string().max(200).meta({
  description: '`flo_whsec_` and base64 of 24 to 64 bytes, to take one along; left out, a fresh one is made.',
})

const secretRefusal = (path: string, message: string) =>
  new Refusal('invalid', { details: [{ path, code: 'invalid', message }] })

/**
 * A new signing secret of the kind asked for, the client's own where one is given. Throws `invalid` for a kind or secret that
 * the contract cannot sign with; the message never holds the secret.
 */
export function makeSigningSecret(
  { name, newSecret: fresh, secretTrouble, keyPairs }: Contract,
  asked: { signature: 'hmac' | 'ed25519'; secret?: string | undefined },
): { plain: string; publicKey?: string } {
  if (asked.signature === 'ed25519') {
    if (!keyPairs) throw secretRefusal('signature', `must be hmac: ${name} has no signature by key pair`)
    if (asked.secret !== undefined)
      throw secretRefusal('secret', 'must be left out: a private key never leaves the gateway')
    const plain = keyPairs.newSecret()
    return { plain, publicKey: keyPairs.publicKeyOf(plain) }
  }
  if (asked.secret === undefined) return { plain: fresh() }
  const trouble = secretTrouble ? secretTrouble(asked.secret) : `must be left out: ${name} takes no secrets of others`
  if (trouble) throw secretRefusal('secret', trouble)
  return { plain: asked.secret }
}

export const signatureKind = ({ publicKey }: Pick<StoredSecret, 'publicKey'>): z.infer<typeof signature> =>
  publicKey === undefined ? 'hmac' : 'ed25519'

/** The secrets that still sign at `now`. */
export const liveSecrets = (secrets: readonly StoredSecret[], now: Date): StoredSecret[] =>
  secrets.filter(({ until }) => until === null || Date.parse(until) > now.getTime())

/** The one secret of a new endpoint. */
export const firstSecrets = (
  secret: { plain: string; publicKey?: string },
  keyRing: Pick<KeyRing, 'encrypt'>,
): StoredSecret[] => [sealSecret(secret, keyRing)]

const sealSecret = (
  { plain, ...rest }: { plain: string; publicKey?: string },
  { encrypt }: Pick<KeyRing, 'encrypt'>,
) => ({
  secret: encrypt(plain),
  until: null,
  ...rest,
})

/**
 * The secrets after a rotation: the new one first; the one before goes on signing for `gracePeriodSeconds`, those before it
 * as long as they were promised, unless `revokePrevious` ends them. Throws `too_many_secrets` when more than five would
 * live, and `invalid` for one that lives already.
 */
export function rotateSecrets(
  secrets: readonly StoredSecret[],
  fresh: { plain: string; publicKey?: string },
  { now, gracePeriodSeconds, revokePrevious, keyRing }: SecretRotation,
): StoredSecret[] {
  const end = new Date(now.getTime() + gracePeriodSeconds * 1000).toISOString()
  const [newest, ...previous] = liveSecrets(secrets, now)
  if (newest && [newest, ...previous].some(({ secret }) => keyRing.decrypt(secret) === fresh.plain))
    throw secretRefusal('secret', 'must be another one: this secret is live already')
  const old = [...(newest ? [{ ...newest, until: end }] : []), ...(revokePrevious ? [] : previous)]
  const all = liveSecrets([sealSecret(fresh, keyRing), ...old], now)
  if (all.length > MAX_LIVE) throw new Refusal('too_many_secrets')
  return all
}

interface SecretRotation {
  now: Date
  gracePeriodSeconds: number
  revokePrevious: boolean
  keyRing: KeyRing
}
