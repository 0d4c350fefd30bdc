import type { IncomingHttpHeaders } from 'node:http'
import { Webhook } from 'standardwebhooks'
import Stripe from 'stripe'

/** Why a verifier refused a delivery; undefined: it accepted it. */
export interface Verdict {
  stripe: string | undefined
  standard: string | undefined
}

/**
 * Asks two verifiers that know nothing of this project about the raw bytes of a delivery: Stripe's own, since Flo's scheme
 * is Stripe's, and that of Standard Webhooks. `secret` is the endpoint's, `flo_whsec_` included.
 */
export const verify = (bytes: Buffer, headers: IncomingHttpHeaders, secret: string): Verdict => ({
  stripe: refusal(() => Stripe.webhooks.constructEvent(bytes, String(headers['flo-signature']), secret)),
  // Standard Webhooks knows the prefix `whsec_` alone.
  standard: refusal(() => new Webhook(secret.slice('flo_'.length)).verify(bytes, headers as Record<string, string>)),
})

function refusal(check: () => unknown): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return (error as Error).message.split('\n')[0]
  }
}
