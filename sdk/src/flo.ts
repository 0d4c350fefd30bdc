import { bodyBytes, hmacSha256, isSameText, toHex, toUtf8 } from './bytes.ts'
import type { Delivery, HeaderSource, Unverified } from './delivery.ts'
import type { FloEvent } from './events.ts'
import { readHeader, requireHeader } from './headers.ts'
import { formErrorOf, isPublicKey, secretsOf } from './secrets.ts'
import { checkSignatures, checkTolerance, isRecent, parseEvent } from './verification.ts'
import { VerificationError } from './verification-error.ts'

export interface FloUnverified extends Unverified {
  /** How far the signature's time may be from this machine's clock, in either direction; 300 by default. */
  toleranceSeconds?: number | undefined
}

const HEADER = 'Flo-Signature'
const FLORENTIN_HINT = {
  name: 'X-Florentin-Signature',
  advice: "this endpoint's contract is florentin.v1: use verifyFlorentin or florentinWebhook",
}

/**
 * Verifies a delivery of Flo by its `Flo-Signature: t=<unix seconds>,v1=<hex>`: HMAC-SHA256 over `<t>.<body>`, keyed by the whole
 * secret. One signature that fits one secret is enough. Resolves to the event; rejects with a `VerificationError` that says why.
 */
export async function verifyFlo({
  body,
  headers,
  secret,
  toleranceSeconds = 300,
  now = () => new Date(),
}: FloUnverified): Promise<Delivery<FloEvent>> {
  const bytes = bodyBytes(body)
  const secrets = secretsOf(secret)
  const { time, signatures } = parseFloSignature(requireHeader(headers, HEADER, FLORENTIN_HINT))
  await checkSignatures({
    name: HEADER,
    body: bytes,
    secrets,
    formErrorOf: (one) =>
      isPublicKey(one) ? 'is a public key: verify with verifyStandard, which knows them' : formErrorOf(one),
    isFresh: isRecent(Number(time), toleranceSeconds, now()),
    async fitsSecret(secret, body) {
      const expected = toHex(await hmacSha256(toUtf8(secret), toUtf8(`${time}.`), body))
      return signatures.some((signature) => isSameText(signature, expected))
    },
  })
  checkTolerance(Number(time), toleranceSeconds, now())
  const event = parseEvent<FloEvent>(bytes)
  if (typeof event.eventId !== 'string')
    throw new VerificationError(
      'body_malformed',
      'The signature is right, but the body has no eventId: it is no event of Flo.',
    )
  return { deliveryId: event.eventId, attempt: attemptOf(headers), event }
}

/** Which attempt it is, where the header says it. */
export function attemptOf(headers: HeaderSource): number | undefined {
  const value = readHeader(headers, 'Flo-Delivery-Attempt')
  return value && /^[1-9]\d{0,8}$/.test(value) ? Number(value) : undefined
}

/** The time as it was signed, and every `v1` signature; other schemes are passed over, as Stripe's libraries do. */
function parseFloSignature(value: string): { time: string; signatures: string[] } {
  const pairs = value.split(',').map((pair) => pair.split('=', 2) as [string, string | undefined])
  const valuesOf = (key: string) => pairs.flatMap(([name, value]) => (name.trim() === key ? [value?.trim() ?? ''] : []))
  const [times, signatures] = [valuesOf('t'), valuesOf('v1')]
  const [time = ''] = times
  if (times.length === 1 && /^\d{1,15}$/.test(time) && signatures.length > 0) return { time, signatures }
  const wrong =
    times.length > 1
      ? 'has several t'
      : signatures.length === 0
        ? 'has no v1'
        : time === ''
          ? 'has no t'
          : 'has no number as t'
  throw new VerificationError(
    'header_malformed',
    `The ${HEADER} header ${wrong}; it should read t=<unix seconds>,v1=<hex>. Pass the header on as it came.`,
  )
}
