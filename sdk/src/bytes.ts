import type { RawBody } from './delivery.ts'
import { VerificationError } from './verification-error.ts'

export const toUtf8 = (text: string) => new TextEncoder().encode(text)

/** The text of UTF-8 bytes, a byte order mark included. */
export const decodeUtf8 = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)

/** The bytes of a body. Throws `body_parsed` when it is no body any more but what somebody made of it. */
export function bodyBytes(body: RawBody): Uint8Array {
  if (typeof body === 'string' && body !== '[object Object]') return toUtf8(body)
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  if (Object.prototype.toString.call(body) === '[object ArrayBuffer]') return new Uint8Array(body as ArrayBuffer)
  const given =
    body === null || body === undefined ? String(body) : typeof body === 'string' ? body : `a parsed ${typeof body}`
  throw new VerificationError(
    'body_parsed',
    `The body is ${given}, not the raw bytes or text that were signed: take it before express.json(), request.json() or the like does. Serialising it again does not give the same bytes.`,
  )
}

export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

export const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))

/** The bytes of standard or URL-safe base64, padded or not; undefined where the text is neither. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}

/** HMAC-SHA256 of the parts, one after the other. */
export async function hmacSha256(key: Uint8Array<ArrayBuffer>, ...parts: Uint8Array[]): Promise<Uint8Array> {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, concatBytes(parts)))
}

/** Does the Ed25519 signature fit the parts, one after the other? */
export async function verifyEd25519(
  publicKey: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  ...parts: Uint8Array[]
): Promise<boolean> {
  const imported = await crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify'])
  return crypto.subtle.verify('Ed25519', imported, signature, concatBytes(parts))
}

/** The parts in one piece. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Are two texts the same? Compared in constant time, so that a signature cannot be guessed character by character. */
export function isSameText(one: string, other: string): boolean {
  if (one.length !== other.length) return false
  let difference = 0
  for (let at = 0; at < one.length; at++) difference |= one.charCodeAt(at) ^ other.charCodeAt(at)
  return difference === 0
}
