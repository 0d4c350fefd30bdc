import { z } from 'zod'
import type { Contract } from '../../contracts/contract.ts'
import { Refusal } from '../../errors.ts'

// Hop-by-hop headers (RFC 9110 7.6.1), headers that frame the message, and Expect, which would delay every attempt.
const RESERVED_NAMES = new Set(
  'connection expect host http2-settings keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
)
// Headers about the body and its signature belong to the contract.
const RESERVED_FAMILIES = /^(content-|flo-|webhook-|stripe-signature$|x-flo-)/

const SENSITIVE = /auth|cookie|credential|key|pass|secret|session|signature|token/i
const CREDENTIALS = /^(basic|bearer|digest|token) /i

const MAX_HEADERS = 20

const isReserved = (name: string) =>
  RESERVED_NAMES.has(name.toLowerCase()) || RESERVED_FAMILIES.test(name.toLowerCase())

// A token by RFC 9110. CR and LF would let the caller start a header of its own.
const headerName = z
  .string()
  .max(100)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name')
  .refine((name) => !isReserved(name), { error: 'is a header that the gateway sets itself' })
const headerValue = z
  .string()
  .max(4096)
  .regex(/^[\x20-\x7e\t]*$/, 'must be printable ASCII without line breaks')

/** The headers that an endpoint adds to each delivery, as a request may give them. */
export const endpointHeaders = z
  .record(headerName, headerValue)
  .refine((given) => Object.keys(given).length <= MAX_HEADERS, { error: `must be ${MAX_HEADERS} headers or fewer` })
  .refine((given) => new Set(Object.keys(given).map((name) => name.toLowerCase())).size === Object.keys(given).length, {
    error: 'must have each header only once, ignoring case',
  })
  .meta({ example: { 'X-Environment': 'production' } })

/** The headers as a reply shows them. */
export const headersReply = z
  .record(z.string(), z.string().nullable())
  .meta({ description: 'null: set, but never shown, because its name or value looks like a secret.' })

/** Replaces values that may be secret by null, which cannot be sent back by mistake as a new value. */
export const hideSensitiveValues = (given: Record<string, string>): z.infer<typeof headersReply> =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name, isSensitive(name, value) ? null : value]))
const isSensitive = (name: string, value: string) => SENSITIVE.test(name) || CREDENTIALS.test(value)

/**
 * Throws `invalid` for a header that any contract sets, not only the endpoint's: no request may look as if it were signed
 * by another contract.
 */
export function assertNoContractHeaders(
  contracts: Readonly<Record<string, Contract>>,
  given: Readonly<Record<string, string>> | undefined,
): void {
  const taken = new Map(
    Object.values(contracts).flatMap(({ name, wireHeaders }) =>
      Object.keys(wireHeaders.shape).map((header) => [header.toLowerCase(), name]),
    ),
  )
  const details = Object.keys(given ?? {}).flatMap((name) => {
    const contract = taken.get(name.toLowerCase())
    return contract ? [{ path: `headers.${name}`, code: 'invalid', message: `is a header of ${contract}` }] : []
  })
  if (details.length > 0) throw new Refusal('invalid', { details })
}
