import { createHmac, timingSafeEqual } from 'node:crypto'
import { Refusal } from '../errors.ts'

const TOLERANCE_SECONDS = 300

/**
 * Checks a `Stripe-Signature` header (`t=<unix seconds>,v1=<hex>[,v1=<hex>...]`) against the raw bytes: one of its `v1`
 * must be the HMAC-SHA256 of `${t}.${bytes}` under one of the secrets (the key is the whole string, prefix included).
 * Throws a Refusal otherwise, also when `t` is more than 300 s away from `now` in either direction.
 * https://docs.stripe.com/webhooks#verify-manually; we verify ourselves because the SDK decodes the bytes first, takes
 * one secret and accepts any time in the future.
 */
export function verifySignature(
  bytes: Buffer,
  header: string | undefined,
  secrets: readonly string[],
  now: Date,
): void {
  if (!header) throw new Refusal('signature_missing')
  const { time, signatures } = parseSignatureHeader(header)
  if (time === undefined || signatures.length === 0) throw new Refusal('signature_malformed')
  if (!secrets.some((secret) => isSignedWith(secret, time, bytes, signatures))) throw new Refusal('signature_invalid')
  if (Math.abs(now.getTime() / 1000 - Number(time)) > TOLERANCE_SECONDS) throw new Refusal('timestamp_out_of_tolerance')
}

// The header may also hold other schemes (v0: Stripe's, in test mode), which prove nothing.
function parseSignatureHeader(header: string) {
  let time: string | undefined
  const signatures: Buffer[] = []
  for (const part of header.split(',')) {
    const [, scheme, value = ''] = /^\s*(\w+)=(\w+)\s*$/.exec(part) ?? []
    if (scheme === 't' && /^\d{1,12}$/.test(value)) time = value
    if (scheme === 'v1' && /^[0-9a-f]{64}$/i.test(value)) signatures.push(Buffer.from(value, 'hex'))
  }
  return { time, signatures }
}

function isSignedWith(secret: string, time: string, bytes: Buffer, signatures: Buffer[]): boolean {
  const expected = createHmac('sha256', secret).update(`${time}.`).update(bytes).digest()
  return signatures.some((signature) => timingSafeEqual(signature, expected))
}
