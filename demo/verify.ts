import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Webhook } from 'standardwebhooks'
import Stripe from 'stripe'

/** What one verifier says: why it refused a delivery; undefined: it accepted it. */
export interface Verification {
  by: string
  refusal: string | undefined
}

/**
 * Asks verifiers that know nothing of this project about the raw bytes of a delivery. Flo's: Stripe's own, since the scheme is
 * Stripe's, and that of Standard Webhooks. Florentin's: the one line of its public page. `secret` is the endpoint's,
 * `flo_whsec_` included.
 */
export const verifyDelivery = (bytes: Buffer, headers: IncomingHttpHeaders, secret: string): Verification[] =>
  'x-florentin-signature' in headers
    ? [runVerifier('hmac', () => verifyFlorentin(bytes, headers, secret))]
    : [
        runVerifier('stripe', () => Stripe.webhooks.constructEvent(bytes, String(headers['flo-signature']), secret)),
        // Standard Webhooks knows the prefix `whsec_` alone.
        runVerifier('standardwebhooks', () =>
          new Webhook(secret.slice('flo_'.length)).verify(bytes, headers as Record<string, string>),
        ),
      ]

function verifyFlorentin(bytes: Buffer, headers: IncomingHttpHeaders, secret: string) {
  const expected = `sha256=${createHmac('sha256', secret).update(bytes).digest('hex')}`
  if (headers['x-florentin-signature'] !== expected) throw new Error('X-Florentin-Signature does not match the body')
}

function runVerifier(by: string, verification: () => unknown): Verification {
  try {
    verification()
    return { by, refusal: undefined }
  } catch (error) {
    return { by, refusal: (error as Error).message.split('\n')[0] }
  }
}
