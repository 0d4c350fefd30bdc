import { z } from 'zod'
import type { Contract } from '../../contracts/contract.ts'
import { Refusal } from '../../errors.ts'
import type { KeyRing } from '../../secrets/keyring.ts'

/** A signing secret as endpoints.secrets stores it: encrypted, and until when it signs (null: no end). Newest first. */
export interface StoredSecret {
  secret: string
  until: string | null
  /** Only a key pair has one, not a secret that both sides hold. */
  publicKey?: string
}

/** How many secrets may sign at the same time: each adds a signature to every delivery. */
const MAX_LIVE = 5

export const signature = z.enum(['hmac', 'ed25519']).meta({
  description:
    '`hmac`: with a secret that both sides hold. `ed25519`: with a private key that only the gateway holds; verify it with `publicKey`.',
})
export const customSecret = z.string().max(200).meta({
  description: 'Your own secret: `flo_whsec_` and base64 of 24 to 64 bytes. If left out, one is generated.',
})

const secretRefusal = (path: string, message: string) =>
  new Refusal('invalid', { details: [{ path, code: 'invalid', message }] })

/**
 * A new signing secret of the requested kind, or the client's own if given. Throws `invalid` for a kind or secret that the
 * contract cannot sign with; the message never contains the secret.
 */
export function makeSigningSecret(
  { name, newSecret, secretTrouble, keyPairs }: Contract,
  request: { signature: 'hmac' | 'ed25519'; secret?: string | undefined },
): { plain: string; publicKey?: string } {
  if (request.signature === 'ed25519') {
    if (!keyPairs) throw secretRefusal('signature', `must be hmac: ${name} has no signature by key pair`)
    if (request.secret !== undefined)
      throw secretRefusal('secret', 'must be left out: a private key never leaves the gateway')
    const plain = keyPairs.newSecret()
    return { plain, publicKey: keyPairs.publicKeyOf(plain) }
  }
  if (request.secret === undefined) return { plain: newSecret() }
  const trouble = secretTrouble
    ? secretTrouble(request.secret)
    : `must be left out: ${name} does not accept a secret of your own`
  if (trouble) throw secretRefusal('secret', trouble)
  return { plain: request.secret }
}

export const signatureKind = ({ publicKey }: Pick<StoredSecret, 'publicKey'>): z.infer<typeof signature> =>
  publicKey === undefined ? 'hmac' : 'ed25519'

/** The secrets that sign at `now`. */
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
 * The secrets after a rotation, the new one first. The current one also signs for `gracePeriodSeconds`, and older ones until
 * their grace periods end, unless `revokePrevious` ends them now. Throws `too_many_secrets` when more than five would be live,
 * and `invalid` for a secret that is live already.
 */
export function rotateSecrets(
  secrets: readonly StoredSecret[],
  fresh: { plain: string; publicKey?: string },
  { now, gracePeriodSeconds, revokePrevious, keyRing }: SecretRotation,
): StoredSecret[] {
  const end = new Date(now.getTime() + gracePeriodSeconds * 1000).toISOString()
  const [newest, ...previous] = liveSecrets(secrets, now)
  if (newest && [newest, ...previous].some(({ secret }) => keyRing.decrypt(secret) === fresh.plain))
    throw secretRefusal('secret', 'must be a different one: this secret is already live')
  const old = [...(newest ? [{ ...newest, until: end }] : []), ...(revokePrevious ? [] : previous)]
  const all = liveSecrets([sealSecret(fresh, keyRing), ...old], now)
  if (all.length > MAX_LIVE) throw tooManySecrets(previous)
  return all
}

/** Says when there is room again: the previous secret that ends first does so by itself. */
function tooManySecrets(previous: readonly StoredSecret[]): Refusal {
  const nextEnd = previous.flatMap(({ until }) => until ?? []).sort()[0]
  return new Refusal('too_many_secrets', {
    details: [
      {
        path: 'previous',
        code: 'too_many_secrets',
        message: nextEnd ? `the next secret ends at ${nextEnd}` : 'no secret ends by itself',
        ...(nextEnd && { until: nextEnd }),
      },
    ],
  })
}

interface SecretRotation {
  now: Date
  gracePeriodSeconds: number
  revokePrevious: boolean
  keyRing: KeyRing
}
