import type { HeaderSource } from './delivery.ts'
import { VerificationError } from './verification-error.ts'

/** The value of a header, undefined where it is missing; several of one name are joined as Node and `Headers` do. */
export function readHeader(headers: HeaderSource, name: string): string | undefined {
  if (typeof headers.get === 'function') return headers.get(name) ?? undefined
  const lower = name.toLowerCase()
  for (const [key, value] of Object.entries(headers as Record<string, string | readonly string[] | undefined>))
    if (key.toLowerCase() === lower && value !== undefined) return typeof value === 'string' ? value : value.join(', ')
  return undefined
}

/** A header by which another contract's deliveries are known, and what to do with those. */
export interface OtherContractHint {
  name: string
  advice: string
}

/** Longer than what the gateway sends by far. */
const MAX_LENGTH = 4096

/** The value of a header that must be there. Throws `header_missing`, or `header_malformed` for one that is too long. */
export function requireHeader(headers: HeaderSource, name: string, hint?: OtherContractHint): string {
  const value = readHeader(headers, name)
  if (value && value.length > MAX_LENGTH)
    throw new VerificationError('header_malformed', `The ${name} header is longer than ${MAX_LENGTH} characters.`)
  if (value) return value
  const cause =
    hint && readHeader(headers, hint.name)
      ? hint.advice
      : 'the request does not come from the gateway, a proxy in between dropped the header, or `headers` are not those of the request'
  throw new VerificationError('header_missing', `The ${name} header is missing: ${cause}.`)
}
