import { decodeUtf8, toUtf8 } from './bytes.ts'
import { findMishap } from './secrets.ts'
import { VerificationError } from './verification-error.ts'

/** A delivery whose signatures fit none of the secrets. */
export interface SignatureCheck {
  /** The header that holds the signatures. */
  name: string
  body: Uint8Array
  secrets: readonly string[]
  /** Does any of the signatures fit this body with this secret? */
  fitsSecret: (secret: string, body: Uint8Array) => Promise<boolean>
  /** What is wrong with the form of a secret in this scheme. */
  formErrorOf: (secret: string) => string | undefined
  /** Was it sent lately, as far as its headers say? Only then is looked into why nothing fits. */
  isFresh: boolean
}

/** A forged body of any size would otherwise cost the receiver a dozen times what refusing it costs. */
const MAX_EXPLAINED_BYTES = 64 * 1024

/** What can have happened to a body on its way to the verifier: in words, and how to undo it. */
const BODY_MISHAPS: readonly (readonly [mishap: string, undone: (text: string) => string | Uint8Array])[] = [
  ['was parsed and serialised again', (text) => JSON.stringify(JSON.parse(text))],
  ['has white space or a byte order mark around it that was not sent', (text) => text.trim()],
  ['lost the line break at its end', (text) => `${text}\n`],
  ['lost the line break at its end', (text) => `${text}\r\n`],
  ['lost the byte order mark at its beginning', (text) => `\uFEFF${text}`],
  ['has CR LF where LF was sent', (text) => text.replaceAll('\r\n', '\n')],
  ['has LF where CR LF was sent', (text) => text.replace(/\r?\n/g, '\r\n')],
  ['was decoded as Latin-1 instead of UTF-8', latin1Bytes],
]

/**
 * Why no signature fits, found by trying what usually goes wrong: a mishap that, undone, makes a signature fit is certain, what
 * is left is reported as a guess. Only those who hold a true signature of the body can learn more from it than that it is refused.
 * What is large or old is not looked into.
 */
export async function explainMismatch(check: SignatureCheck): Promise<VerificationError> {
  const { name, body, secrets, formErrorOf: misformOf, isFresh } = check
  const isLarge = body.length > MAX_EXPLAINED_BYTES
  const certain = isFresh && !isLarge ? await findCause(check) : undefined
  if (certain) return certain
  for (const [at, secret] of secrets.entries()) {
    const misform = misformOf(secret)
    if (misform) return new VerificationError('secret_malformed', `${secretName(secrets, at)} ${misform}.`)
  }
  const unexplained = isLarge
    ? ` (a body of more than ${MAX_EXPLAINED_BYTES} bytes is not looked into)`
    : isFresh
      ? bodyHint(body)
      : ' (a request of another time is not looked into: compare the clocks first)'
  return new VerificationError(
    'signature_invalid',
    `No signature in ${name} fits this body with ${secrets.length === 1 ? 'the secret' : `any of the ${secrets.length} secrets`}. Either the secret is not this endpoint's (compare it with GET /v1/endpoints/{id}/secret), or the body is not byte for byte what was sent${unexplained}.`,
  )
}

const secretName = (secrets: readonly string[], at: number) =>
  secrets.length === 1 ? 'The secret' : `Secret ${at + 1} of ${secrets.length}`

/** The mishap that, undone, makes a signature fit. */
async function findCause({ body, secrets, fitsSecret: fits }: SignatureCheck): Promise<VerificationError | undefined> {
  for (const [at, secret] of secrets.entries()) {
    const mishap = await findMishap(secret, (mended) => fits(mended, body))
    if (mishap)
      return new VerificationError(
        'secret_malformed',
        `${secretName(secrets, at)} ${mishap}; without that the signature fits. Configure the secret exactly as the gateway shows it.`,
      )
  }
  for (const [mishap, undone] of BODY_MISHAPS) {
    const sent = undoMishap(undone, decodeUtf8(body))
    for (const secret of secrets)
      if (sent && (await fits(secret, sent)))
        return new VerificationError(
          'body_altered',
          `The secret is right, but the body ${mishap}. Verify the bytes of the request as they came, before anything else reads them.`,
        )
  }
  return undefined
}

function bodyHint(body: Uint8Array): string {
  if (body.length === 0) return ': it is empty, as when something has read it before'
  if (decodeUtf8(body).includes('\uFFFD')) return ': it holds U+FFFD, as when chunks of it were decoded one by one'
  return ''
}

function undoMishap(undone: (text: string) => string | Uint8Array, text: string): Uint8Array | undefined {
  try {
    const sent = undone(text)
    return sent === text ? undefined : typeof sent === 'string' ? toUtf8(sent) : sent
  } catch {
    return undefined // No JSON, or nested too deep.
  }
}

/** The bytes that a text would have been, had each byte been decoded as a sign of its own. */
function latin1Bytes(text: string): string | Uint8Array {
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0))
  return [...text].every((char) => char.charCodeAt(0) < 256) ? bytes : text
}
