import type { KeyRing } from './keyring.ts'

/** The headers that an endpoint adds to its deliveries, as its row keeps them. */
export interface StoredHeaders {
  /** In plain text, from before they were encrypted. */
  headers: Record<string, string>
  sealedHeaders: string | null
}

/** What endpoints.sealed_headers keeps; null for no headers at all. */
export const sealHeaders = (keyRing: Pick<KeyRing, 'encrypt'>, headers: Record<string, string>): string | null =>
  Object.keys(headers).length === 0 ? null : keyRing.encrypt(JSON.stringify(headers))

/** The headers in plain text. Throws when the key ring lacks the key. */
export const openHeaders = (
  keyRing: Pick<KeyRing, 'decrypt'>,
  { headers, sealedHeaders }: StoredHeaders,
): Record<string, string> => (sealedHeaders === null ? headers : JSON.parse(keyRing.decrypt(sealedHeaders)))

/** Certificates of an endpoint's own, as endpoints.tls keeps them: PEM, of which the private key is encrypted. */
export interface StoredTls {
  /** Trusted in place of the public authorities. */
  ca: string | null
  /** The client's, with what leads to its authority. */
  certificate: string | null
  key: string | null
}
