import { errors } from 'undici'
import { ProxyTrouble } from '../../network/egress-proxy.ts'
import { NameLookupError } from '../../network/names/host-names.ts'
import { hasOwnLackCode } from '../../network/own-lack.ts'
import type { UnreachableReason } from '../attempt-outcome.ts'

/** An endpoint's name leads to an address that nothing may be sent to. The address itself is only for the operator. */
export class BlockedAddressError extends Error {
  override name = 'Blocked'
  readonly address: string
  constructor(address: string, why: string) {
    super(`${address} must not be reached: ${why}`)
    this.address = address
  }
}

/** The attempt as a whole took longer than the endpoint's time-out. */
export class AttemptTimeoutError extends Error {
  override name = 'TooSlow'
  readonly code = 'FLO_TOO_SLOW'
}

/** A request that could not be written, whoever was to get it: of a stored event that its contract cannot read, say. */
export class UnwritableError extends Error {
  override name = 'Unwritable'
  readonly code = 'FLO_UNWRITABLE'
}

const UNWRITABLE =
  'The gateway could not write this request, of what it has stored: no fault of the endpoint, and no attempt of its schedule.'

const reasonMessages: Record<UnreachableReason, string> = {
  timeout: 'No answer came within the time-out.',
  dns: "The host's name could not be resolved.",
  connection: 'The connection failed.',
  tls: 'The TLS connection could not be made.',
  blocked: 'The address is not one that deliveries may be sent to.',
  proxy: "The gateway's own proxy could not be used: no fault of the endpoint, and no attempt of its schedule.",
  gateway:
    'The gateway itself lacked what a connection takes, such as descriptors, ports or a name server: no fault of the endpoint, and no attempt of its schedule.',
}

const SELF_SIGNED =
  "The receiver's certificate is self-signed, or its root is not trusted: set `tls.caCertificate` of the endpoint."
const UNKNOWN_ISSUER =
  "The issuer of the receiver's certificate is unknown: the receiver does not send an intermediate certificate, or the endpoint needs `tls.caCertificate`."
const NO_TLS = 'The receiver does not speak TLS at this port.'
const tlsMessages: Record<string, string> = {
  CERT_HAS_EXPIRED: "The receiver's certificate has expired.",
  CERT_NOT_YET_VALID: "The receiver's certificate is not valid yet.",
  CERT_REVOKED: "The receiver's certificate has been revoked.",
  ERR_TLS_CERT_ALTNAME_INVALID: "The receiver's certificate is for another name.",
  DEPTH_ZERO_SELF_SIGNED_CERT: SELF_SIGNED,
  SELF_SIGNED_CERT_IN_CHAIN: SELF_SIGNED,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_ISSUER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_ISSUER,
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
}
// What a receiver's TLS says of the client's certificate, by OpenSSL's names of the alerts.
const CERTIFICATE_ALERT = /_ALERT_(CERTIFICATE_\w+|BAD_CERTIFICATE|UNKNOWN_CA)$/
const WANTS_CERTIFICATE =
  'The receiver requires a client certificate, or another one: see `tls.clientCertificate` of the endpoint.'

const tlsMessage = (code: string): string =>
  CERTIFICATE_ALERT.test(code) ? WANTS_CERTIFICATE : (tlsMessages[code] ?? reasonMessages.tls)

const NO_HTTP =
  'What the receiver answered is not HTTP/1.1: another protocol is spoken at this port, or its status line or a header is broken.'
const connectionMessages: Record<string, string> = {
  ECONNREFUSED: 'The connection was refused.',
  ECONNRESET: 'The connection was reset.',
  EPIPE: 'The connection was closed while sending.',
  UND_ERR_SOCKET: 'The connection was closed before an answer came.',
  EHOSTUNREACH: 'The host is unreachable.',
  ENETUNREACH: 'The network is unreachable.',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH:
    'The Content-Length of the answer is sent twice, or contradicts its other headers.',
  // Of undici, which asserts that a status is 100 or more.
  ERR_ASSERTION: NO_HTTP,
  HPE_HEADER_OVERFLOW: 'The headers of the answer are too large.',
  UND_ERR_HEADERS_OVERFLOW: 'The headers of the answer are too large.',
  FLO_HEAD_TOO_LONG: 'What came before the answer, or its headers, are too large.',
  FLO_UPGRADED: 'The receiver switched to another protocol (101), which nobody asked for.',
}

const TIMEOUT = new Set(['FLO_TOO_SLOW', 'ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT'])
// Node's codes for what OpenSSL refuses: ERR_TLS_*, ERR_SSL_*, and the names of X.509 verification results.
const TLS =
  /^(ERR_TLS|ERR_SSL|EPROTO$|CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERROR_IN_C|HOSTNAME_|INVALID_CA|PATH_LENGTH)/

/**
 * The class of a network error, and a sentence for the endpoint's owner. The sentence is built from the error's code
 * only: the message of an error may hold an internal address.
 */
export function unreachableOutcome(error: unknown): {
  kind: 'unreachable'
  reason: UnreachableReason
  message: string
} {
  const { code, syscall } = error as NodeJS.ErrnoException
  const name = typeof code === 'string' ? code : ''
  const reason = unreachableReasonOf(error, name, syscall)
  const sentence = sentenceOf(error, reason, name)
  return {
    kind: 'unreachable',
    reason,
    message: /^(FLO_.*|ERR_ASSERTION)?$/.test(name) ? sentence : `${sentence} (${name})`,
  }
}

function sentenceOf(error: unknown, reason: UnreachableReason, code: string): string {
  if (isUnwritable(code)) return UNWRITABLE
  if (reason === 'tls') return tlsMessage(code)
  return reason === 'connection' ? connectionMessage(error, code) : reasonMessages[reason]
}

const connectionMessage = (error: unknown, code: string): string =>
  connectionMessages[code] ?? (error instanceof errors.HTTPParserError ? NO_HTTP : reasonMessages.connection)

function unreachableReasonOf(error: unknown, code: string, syscall: string | undefined): UnreachableReason {
  if (error instanceof BlockedAddressError) return 'blocked'
  if (error instanceof ProxyTrouble) return 'proxy'
  if (isOwnLack(error) || isUnwritable(code)) return 'gateway'
  if (error instanceof NameLookupError || syscall === 'getaddrinfo') return 'dns'
  if (TIMEOUT.has(code)) return 'timeout'
  return TLS.test(code) ? 'tls' : 'connection'
}

// undici refuses a header, a path or a body that HTTP has no place for, before anything is sent.
const isUnwritable = (code: string): boolean => code === 'FLO_UNWRITABLE' || code === 'UND_ERR_INVALID_ARG'

/** Whether what was missing was missing here: it says nothing of who was to be reached. */
export const isOwnLack = (error: unknown): boolean =>
  error instanceof NameLookupError ? error.isOwnLack : hasOwnLackCode(error)
