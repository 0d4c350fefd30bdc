import type { KeyRing } from './keyring.ts'

/** The headers that an endpoint adds to its deliveries, as its row stores them. */
export interface StoredHeaders {
  /** In plain text, from before they were encrypted. */
  headers: Record<string, string>
  sealedHeaders: string | null
}

/** The value of endpoints.sealed_headers; null when there are no headers. */
export const sealHeaders = (keyRing: Pick<KeyRing, 'encrypt'>, headers: Record<string, string>): string | null =>
  Object.keys(headers).length === 0 ? null : keyRing.encrypt(JSON.stringify(headers))

/** The headers in plain text. Throws when the key ring lacks the key. */
export const openHeaders = (
  keyRing: Pick<KeyRing, 'decrypt'>,
  { headers, sealedHeaders }: StoredHeaders,
): Record<string, string> => (sealedHeaders === null ? headers : JSON.parse(keyRing.decrypt(sealedHeaders)))

/** An endpoint's own certificates, as endpoints.tls stores them: PEM, with the private key encrypted. */
export interface StoredTls {
  /** Trusted in place of the public authorities. */
  ca: string | null
  /** The client certificate, with the chain to its authority. */
  certificate: string | null
  key: string | null
}
