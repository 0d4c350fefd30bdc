import type { Reply, StripeApi } from '../network/stripe-api.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import type { Due } from './due.ts'

interface Deps {
  stripe: StripeApi
  keyRing: Pick<KeyRing, 'decrypt'>
}

/** Asks Stripe for what is due: the first of its paths that Stripe knows answers. Never throws for what Stripe says. */
export async function fetched({ stripe, keyRing }: Deps, due: Due): Promise<Reply> {
  if (due.apiKey === null)
    return { kind: 'refused', code: 'api_key_refused', message: 'The source has no API key any more.' }
  const credentials = { apiKey: keyRing.decrypt(due.apiKey), apiVersion: due.apiVersion, account: due.account }
  let reply: Reply | undefined
  for (const path of due.paths) {
    reply = await (due.list ? stripe.all(credentials, path) : stripe.get(credentials, path))
    if (reply.kind !== 'absent') break
  }
  return reply!
}
