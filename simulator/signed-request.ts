import { createHmac } from 'node:crypto'

/** An event as Stripe posts it: the exact bytes and their signature at a time (https://docs.stripe.com/webhooks#verify-manually). */
export function signedRequest(
  event: object,
  secret: string,
  at: Date,
): { body: string; headers: Record<string, string> } {
  // Stripe indents its payloads by two spaces.
  const body = JSON.stringify(event, null, 2)
  const t = Math.floor(at.getTime() / 1000)
  const v1 = createHmac('sha256', secret).update(`${t}.${body}`).digest('hex')
  return {
    body,
    headers: { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': `t=${t},v1=${v1}` },
  }
}
