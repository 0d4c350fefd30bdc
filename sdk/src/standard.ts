import { bodyBytes, fromBase64, hmacSha256, isSameText, toBase64, toUtf8, verifyEd25519 } from './bytes.ts'
import type { Delivery } from './delivery.ts'
import type { FloEvent } from './events.ts'
import { attemptOf, type FloUnverified } from './flo.ts'
import { requireHeader } from './headers.ts'
import { formErrorOf, isPublicKey, secretsOf } from './secrets.ts'
import { checkSignatures, checkTolerance, isRecent, parseEvent } from './verification.ts'
import { VerificationError } from './verification-error.ts'

const HEADER = 'webhook-signature'
/** The gateway sends one for each secret that is valid. Of a key pair each costs a verification. */
const MAX_SIGNATURES = 20

/**
 * Verifies a delivery by the headers of Standard Webhooks 1.0, which Flo deliveries carry too: over `<id>.<timestamp>.<body>`, as
 * `v1` HMAC-SHA256 keyed by the bytes behind the prefix (`flo_whsec_` or `whsec_`), as `v1a` Ed25519 for a public key (`whpk_`).
 * One signature that fits one secret is enough. Resolves to the event; rejects with a `VerificationError` that says why.
 */
export async function verifyStandard<Event = FloEvent>({
  body,
  headers,
  secret,
  toleranceSeconds = 300,
  now = () => new Date(),
}: FloUnverified): Promise<Delivery<Event>> {
  const bytes = bodyBytes(body)
  const secrets = secretsOf(secret)
  const [id, time] = [requireHeader(headers, 'webhook-id'), requireHeader(headers, 'webhook-timestamp')]
  const signatures = parseStandardSignatures(requireHeader(headers, HEADER))
  if (!/^\d{1,15}$/.test(time)) throw malformedHeader('webhook-timestamp', 'unix seconds')
  const prefix = toUtf8(`${id}.${time}.`)
  await checkSignatures({
    name: HEADER,
    body: bytes,
    secrets,
    formErrorOf: standardFormErrorOf,
    isFresh: isRecent(Number(time), toleranceSeconds, now()),
    async fitsSecret(secret, body) {
      const key = decodeKey(secret)
      if (!key) return false
      if (!isPublicKey(secret)) {
        const expected = toBase64(await hmacSha256(key, prefix, body))
        return signatures.some(([version, signature]) => version === 'v1' && isSameText(signature, expected))
      }
      for (const [version, signature] of signatures) {
        const signed = version === 'v1a' ? fromBase64(signature) : undefined
        if (signed?.length === 64 && (await verifyEd25519(key, signed, prefix, body))) return true
      }
      return false
    },
  })
  checkTolerance(Number(time), toleranceSeconds, now())
  return { deliveryId: id, attempt: attemptOf(headers), event: parseEvent<Event>(bytes) }
}

/** The key of a secret, undefined where it has none that can be one. */
function decodeKey(secret: string): Uint8Array<ArrayBuffer> | undefined {
  const [, encoded] = /^(?:flo_)?wh(?:sec|pk)_(.+)$/s.exec(secret) ?? []
  const key = encoded === undefined || /\s/.test(encoded) ? undefined : fromBase64(encoded)
  if (!key || key.length === 0 || (isPublicKey(secret) && key.length !== 32)) return undefined
  return key
}

function standardFormErrorOf(secret: string): string | undefined {
  if (decodeKey(secret)) return undefined
  if (isPublicKey(secret)) return 'is no Ed25519 public key: behind whpk_ there should be base64 of 32 bytes'
  if (/^(flo_)?whsec_/.test(secret)) return 'has no base64 behind its prefix'
  return formErrorOf(secret)
}

/** Pairs of version and signature: `v1,<base64>`, one space between two. */
function parseStandardSignatures(value: string): [version: string, signature: string][] {
  // Of several headers with this name some frameworks make one with commas between.
  const words = value.split(/[ ,]/).filter((word) => word !== '')
  const found = words.flatMap((word, at): [string, string][] => {
    const signature = words[at + 1]
    return (word === 'v1' || word === 'v1a') && signature !== undefined ? [[word, signature]] : []
  })
  if (found.length > MAX_SIGNATURES) throw malformedHeader(HEADER, `at most ${MAX_SIGNATURES} of v1,<base64>`)
  if (found.length > 0) return found
  throw malformedHeader(HEADER, 'v1,<base64>')
}

const malformedHeader = (name: string, form: string) =>
  new VerificationError('header_malformed', `The ${name} header should read ${form}. Pass the header on as it came.`)
