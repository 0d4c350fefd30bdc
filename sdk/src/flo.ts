import { bytesOf, hex, hmac, same, utf8 } from './bytes.ts'
import type { Delivery, HeaderSource, Unverified } from './delivery.ts'
import { VerificationError } from './error.ts'
import type { FloEvent } from './events.ts'
import { header, required } from './headers.ts'
import { inTolerance, matched, parsed } from './matched.ts'
import { isPublicKey, misformOf, secretsOf } from './secrets.ts'

export interface FloUnverified extends Unverified {
  /** How far the signature's time may be from this machine's clock, in either direction; 300 unless told. */
  toleranceSeconds?: number | undefined
}

const HEADER = 'Flo-Signature'
const FLORENTIN = {
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
  const bytes = bytesOf(body)
  const secrets = secretsOf(secret)
  const { time, signatures } = parts(required(headers, HEADER, FLORENTIN))
  await matched({
    name: HEADER,
    body: bytes,
    secrets,
    misformOf: (one) =>
      isPublicKey(one) ? 'is a public key: verify with verifyStandard, which knows them' : misformOf(one),
    async fits(secret, body) {
      const expected = hex(await hmac(utf8(secret), utf8(`${time}.`), body))
      return signatures.some((signature) => same(signature, expected))
    },
  })
  inTolerance(Number(time), toleranceSeconds, now())
  const event = parsed<FloEvent>(bytes)
  if (typeof event.eventId !== 'string')
    throw new VerificationError(
      'body_malformed',
      'The signature is right, but the body has no eventId: it is no event of Flo.',
    )
  return { deliveryId: event.eventId, attempt: attemptOf(headers), event }
}

/** Which attempt it is, where the header tells it. */
export function attemptOf(headers: HeaderSource): number | undefined {
  const told = header(headers, 'Flo-Delivery-Attempt')
  return told && /^[1-9]\d{0,8}$/.test(told) ? Number(told) : undefined
}

/** The time as it was signed, and every `v1` signature; other schemes are passed over, as Stripe's libraries do. */
function parts(value: string): { time: string; signatures: string[] } {
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
