import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { z } from 'zod'
import { Refusal } from '../../errors.ts'
import type { KeyRing } from '../../secrets/keyring.ts'
import type { StoredTls } from '../../secrets/sealed-headers.ts'
import { replyTime } from '../http/field-schemas.ts'

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const MAX_CERTIFICATES = 20

const pem = z.string().max(64 * 1024)

/** An endpoint's own certificates, as a request may give them. */
export const endpointTls = z
  .strictObject({
    caCertificate: pem.optional().meta({
      description: 'PEM of the certificate authorities to trust for this receiver, instead of the public ones.',
    }),
    clientCertificate: pem.optional().meta({
      description: 'PEM of the certificate that the gateway presents (mTLS), followed by intermediate certificates.',
    }),
    clientKey: pem
      .optional()
      .meta({ description: 'PEM of the private key of `clientCertificate`, without a passphrase. Never returned.' }),
  })
  .nullable()
  .meta({ description: 'Own certificates of the endpoint, for an https:// URL; null: none.' })

const Certificate = z
  .strictObject({
    subject: z.string(),
    issuer: z.string(),
    fingerprintSha256: z.string().meta({ example: '4F:0A:…' }),
    expiresAt: replyTime,
  })
  .meta({ id: 'Certificate' })

/** The certificates as a reply shows them. */
export const tlsReply = z
  .strictObject({ caCertificates: z.array(Certificate), clientCertificate: Certificate.nullable() })
  .nullable()

const showCertificate = (certificate: X509Certificate): z.infer<typeof Certificate> => ({
  subject: certificate.subject,
  issuer: certificate.issuer,
  fingerprintSha256: certificate.fingerprint256,
  expiresAt: certificate.validToDate.toISOString(),
})

/** The stored certificates of an endpoint as a reply shows them. */
export const showTls = (kept: StoredTls | null): z.infer<typeof tlsReply> =>
  kept && {
    caCertificates:
      kept.ca === null ? [] : pemBlocks(kept.ca).map((block) => showCertificate(new X509Certificate(block))),
    clientCertificate: kept.certificate === null ? null : showCertificate(new X509Certificate(kept.certificate)),
  }

const tlsRefusal = (field: string, message: string) =>
  new Refusal('invalid', { details: [{ path: field ? `tls.${field}` : 'tls', code: 'invalid', message }] })

/**
 * Checks the certificates that a client gives and returns what to store. Throws `invalid` for text that is not PEM, for expired
 * certificates, for a key that does not match, and for what TLS itself refuses. No message contains any part of the key.
 */
export function sealTls(
  given: z.infer<typeof endpointTls>,
  { keyRing, now }: { keyRing: Pick<KeyRing, 'encrypt'>; now: () => Date },
): StoredTls | null {
  const { caCertificate, clientCertificate, clientKey } = given ?? {}
  if (caCertificate === undefined && clientCertificate === undefined && clientKey === undefined) return null
  const authorities = caCertificate === undefined ? [] : parseCertificates('caCertificate', caCertificate, now())
  if (!authorities.every(canBeTrusted))
    throw tlsRefusal('caCertificate', 'must be of an authority (CA:TRUE), or self-signed')
  if ((clientCertificate === undefined) !== (clientKey === undefined))
    throw tlsRefusal(clientKey === undefined ? 'clientKey' : 'clientCertificate', 'must be given too: they are a pair')
  const client = clientCertificate === undefined ? [] : parseCertificates('clientCertificate', clientCertificate, now())
  const key = clientKey === undefined ? null : parsePrivateKey(clientKey)
  if (client[0] && key) assertKeyPair(client[0], key)

  const context = {
    ...(authorities.length > 0 && { ca: joinPem(authorities) }),
    ...(key && { cert: joinPem(client), key: key.export({ type: 'pkcs8', format: 'pem' }).toString() }),
  }
  assertUsableByTls(context)
  return {
    ca: context.ca ?? null,
    certificate: context.cert ?? null,
    key: context.key === undefined ? null : keyRing.encrypt(context.key),
  }
}

/** Throws `invalid` for certificates with an http:// URL: they would protect nothing. */
export function assertTlsHasHttps(url: string, given: object | null | undefined): void {
  if (given && !url.startsWith('https:')) throw tlsRefusal('', 'needs an https:// URL')
}

const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g
const pemBlocks = (text: string): string[] => text.match(BLOCK) ?? []
// Only the parsed certificates are stored: text around the blocks may be anything.
const joinPem = (all: readonly X509Certificate[]) => all.map((certificate) => certificate.toString()).join('')

function parseCertificates(field: string, text: string, now: Date): X509Certificate[] {
  if (text.includes('PRIVATE KEY'))
    throw tlsRefusal(field, 'must contain only certificates: there is a private key in it')
  const blocks = pemBlocks(text)
  if (blocks.length === 0) throw tlsRefusal(field, 'must be PEM: -----BEGIN CERTIFICATE-----')
  if (blocks.length > MAX_CERTIFICATES) throw tlsRefusal(field, `must be ${MAX_CERTIFICATES} certificates or fewer`)
  return blocks.map((block, at) => {
    const certificate = parseCertificate(block)
    const which = blocks.length === 1 ? '' : ` (certificate ${at + 1})`
    if (!certificate) throw tlsRefusal(field, `cannot be read as an X.509 certificate${which}`)
    if (certificate.validToDate < now)
      throw tlsRefusal(field, `has expired${which}, on ${certificate.validToDate.toISOString()}`)
    return certificate
  })
}

function parseCertificate(block: string): X509Certificate | null {
  try {
    return new X509Certificate(block)
  } catch {
    return null
  }
}

const canBeTrusted = (certificate: X509Certificate) => certificate.ca || certificate.checkIssued(certificate)

function parsePrivateKey(text: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_MISSING_PASSPHRASE' || text.includes('ENCRYPTED'))
      throw tlsRefusal('clientKey', 'must not be protected by a passphrase: it is stored encrypted')
    throw tlsRefusal('clientKey', 'must be PEM of a private key: -----BEGIN PRIVATE KEY-----')
  }
}

function assertKeyPair(certificate: X509Certificate, key: KeyObject) {
  if (!certificate.checkPrivateKey(key)) throw tlsRefusal('clientKey', 'does not belong to the first certificate')
  // Without the extension a certificate is valid for every use.
  const uses: readonly string[] | undefined = certificate.keyUsage
  if (uses && !uses.includes(CLIENT_AUTH))
    throw tlsRefusal('clientCertificate', 'must be valid for client authentication (extended key usage)')
}

/** TLS has rules of its own, for example about short keys and old digests. */
function assertUsableByTls(context: { ca?: string; cert?: string; key?: string }) {
  try {
    createSecureContext(context)
  } catch (error) {
    const { code, reason } = error as { code?: string; reason?: string }
    throw tlsRefusal('', `cannot be used: ${reason ?? code ?? 'TLS refuses it'}`)
  }
}
