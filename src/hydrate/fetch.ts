import type { Json } from '../domain/json.ts'
import type { StripeApi, StripeReply } from '../network/stripe-api.ts'
import type { KeyRing } from '../secrets/keyring.ts'
import type { DueFetch } from './due-fetches.ts'

export interface FetchDeps {
  stripe: StripeApi
  keyRing: Pick<KeyRing, 'decrypt'>
}

/** One id may name a product in live mode and another one in test mode: a key shows that of its own mode. */
const isOfOtherMode = (object: Json, { livemode }: DueFetch): boolean =>
  livemode !== null && typeof object.livemode === 'boolean' && object.livemode !== livemode

const OTHER_MODE: StripeReply = {
  kind: 'absent',
  code: 'not_found',
  message: 'The source’s API key is of the other mode (live or test): it knows another object by this id.',
}

/** Asks Stripe for what is due: the first of its paths that Stripe knows answers. Never throws for what Stripe says. */
export async function fetchFromStripe({ stripe, keyRing }: FetchDeps, due: DueFetch): Promise<StripeReply> {
  if (due.apiKey === null)
    return { kind: 'refused', code: 'api_key_refused', message: 'The source has no API key any more.' }
  const credentials = { apiKey: keyRing.decrypt(due.apiKey), apiVersion: due.apiVersion, account: due.account }
  let reply: StripeReply = { kind: 'absent', code: 'not_found', message: 'No path of Stripe’s leads to it.' }
  for (const path of due.paths) {
    reply = await (due.isList ? stripe.readList(credentials, path) : stripe.readObject(credentials, path))
    if (reply.kind === 'found' && isOfOtherMode(reply.object, due)) reply = OTHER_MODE
    if (reply.kind !== 'absent') break
  }
  return reply
}
