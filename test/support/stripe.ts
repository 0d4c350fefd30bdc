import { createHmac } from 'node:crypto'

/** The Stripe-Signature header over exactly these bytes, as https://docs.stripe.com/webhooks#verify-manually describes it. */
export function signed(body: string | Buffer, secret: string, at = new Date()): string {
  const t = Math.floor(at.getTime() / 1000)
  return `t=${t},v1=${createHmac('sha256', secret).update(`${t}.`).update(body).digest('hex')}`
}
