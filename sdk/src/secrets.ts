import type { Secrets } from './delivery.ts'
import { VerificationError } from './verification-error.ts'

const PREFIX = 'flo_whsec_'

/** The secrets that are there, as they were given. Throws `secret_missing` when there is none. */
export function secretsOf(secret: Secrets): string[] {
  const given = (typeof secret === 'string' || secret === undefined ? [secret] : secret).filter(
    (one): one is string => typeof one === 'string' && one !== '',
  )
  if (given.length > 0) return given
  throw new VerificationError(
    'secret_missing',
    `There is no secret: is the environment variable set? The gateway shows it as \`secret\` when the endpoint is made, and at GET /v1/endpoints/{id}/secret: ${PREFIX} and 44 characters.`,
  )
}

/** An Ed25519 key of Standard Webhooks, with which one can verify but not sign. */
export const isPublicKey = (secret: string): boolean => /^(flo_)?whpk_/.test(secret)

/** What can have happened to a secret on its way into the configuration: in words, and how to undo it. */
const SECRET_MISHAPS: readonly (readonly [mishap: string, mended: (secret: string) => string])[] = [
  ['has white space around it', (secret) => secret.trim()],
  ['has quotation marks around it', stripQuotes],
  [`lacks its prefix ${PREFIX}`, (secret) => PREFIX + stripQuotes(secret)],
  [`lacks the flo_ of its prefix ${PREFIX}`, (secret) => `flo_${stripQuotes(secret)}`],
  ['lacks the = at its end', (secret) => `${stripQuotes(secret)}=`],
  ['has spaces where there were plus signs', (secret) => secret.trim().replaceAll(' ', '+')],
]

function stripQuotes(secret: string): string {
  return secret.trim().replace(/^(["'`])(.*)\1$/s, '$2')
}

/** What happened to the secret, when undoing it makes it one that is accepted. */
export async function findMishap(
  secret: string,
  isAccepted: (secret: string) => Promise<boolean>,
): Promise<string | undefined> {
  for (const [mishap, mended] of SECRET_MISHAPS) {
    const attempt = mended(secret)
    if (attempt !== secret && (await isAccepted(attempt))) return mishap
  }
  return undefined
}

/** What is wrong with the form of a secret that the gateway never gave like this; undefined when it looks right. */
export function formErrorOf(secret: string): string | undefined {
  if (secret !== secret.trim()) return 'has white space around it'
  if (secret !== stripQuotes(secret)) return 'has quotation marks around it'
  if (secret.startsWith(PREFIX)) return undefined
  if (secret.startsWith('flo_sk_')) return 'is an API key (flo_sk_), with which nothing is signed'
  if (secret.startsWith('whsec_'))
    return `begins with whsec_, as what Stripe signs with: Stripe's secret belongs to the gateway's source. Yours begins with ${PREFIX}`
  return `does not begin with ${PREFIX}`
}
