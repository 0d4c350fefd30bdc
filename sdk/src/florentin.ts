import { bodyBytes, hmacSha256, isSameText, toHex, toUtf8 } from './bytes.ts'
import type { Delivery, Unverified } from './delivery.ts'
import type { FlorentinEvent } from './events.ts'
import { requireHeader } from './headers.ts'
import { formErrorOf, isPublicKey, secretsOf } from './secrets.ts'
import { checkSignatures, formatTime, parseEvent } from './verification.ts'
import { VerificationError } from './verification-error.ts'

export interface FlorentinUnverified extends Unverified {
  /**
   * How old the event may be; unlimited by default. What is signed is the time of the happening, not that of sending: an attempt
   * is tried again for minutes, an event may have waited, and a replay is as old as what it repeats.
   */
  maxAgeSeconds?: number | undefined
}

const HEADER = 'X-Florentin-Signature'
const FLO_HINT = { name: 'Flo-Signature', advice: "this endpoint's contract is flo.v1: use verifyFlo or floWebhook" }

/**
 * Verifies a delivery of Florentin by its `X-Florentin-Signature: sha256=<hex>`: HMAC-SHA256 over the raw body alone, keyed by the
 * whole secret; `X-Florentin-Timestamp` must be the body's own `timestamp`. Resolves to the event, with `X-Florentin-Delivery-Id`
 * as `deliveryId`, which is not signed; rejects with a `VerificationError` that says why.
 */
export async function verifyFlorentin({
  body,
  headers,
  secret,
  maxAgeSeconds = Number.POSITIVE_INFINITY,
  now = () => new Date(),
}: FlorentinUnverified): Promise<Delivery<FlorentinEvent>> {
  const bytes = bodyBytes(body)
  const secrets = secretsOf(secret)
  const signatures = parseFlorentinSignature(requireHeader(headers, HEADER, FLO_HINT))
  const timestamp = requireHeader(headers, 'X-Florentin-Timestamp')
  const deliveryId = requireHeader(headers, 'X-Florentin-Delivery-Id')
  await checkSignatures({
    name: HEADER,
    body: bytes,
    secrets,
    formErrorOf: (one) => (isPublicKey(one) ? 'is a public key, with which Florentin is not signed' : formErrorOf(one)),
    // What its headers say is the time of the happening, which may be long ago.
    isFresh: true,
    async fitsSecret(secret, body) {
      const expected = toHex(await hmacSha256(toUtf8(secret), body))
      return signatures.some((signature) => isSameText(signature, expected))
    },
  })
  const event = parseEvent<FlorentinEvent>(bytes)
  if (event.timestamp !== timestamp)
    throw new VerificationError(
      'timestamp_mismatch',
      `The signature is right, but X-Florentin-Timestamp says ${timestamp} and the body's timestamp ${event.timestamp}: the header was changed on the way.`,
    )
  checkAge(timestamp, maxAgeSeconds, now())
  return { deliveryId, attempt: undefined, event }
}

function checkAge(timestamp: string, maxAgeSeconds: number, now: Date): void {
  const age = (now.getTime() - Date.parse(timestamp)) / 1000
  if (maxAgeSeconds === Number.POSITIVE_INFINITY || age <= maxAgeSeconds) return
  throw new VerificationError(
    'timestamp_out_of_tolerance',
    `The signature is right, but the event is of ${timestamp} and it is ${formatTime(now.getTime())} by this machine's clock: ${Math.round(age)} seconds later, where ${maxAgeSeconds} are allowed. Check the clock, or raise maxAgeSeconds: attempts and replays carry the time of the happening.`,
  )
}

/** Every signature of the header; the gateway sends one. */
function parseFlorentinSignature(value: string): string[] {
  const found = value
    .split(',')
    .map((part) => part.trim())
    .flatMap((part) => (/^sha256=./.test(part) ? part.slice('sha256='.length) : []))
  if (found.length > 0) return found
  throw new VerificationError(
    'header_malformed',
    `The ${HEADER} header should read sha256=<hex>. Pass the header on as it came.`,
  )
}
