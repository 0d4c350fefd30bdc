import { z } from 'zod'
import type { Contract } from '../../contracts/contract.ts'
import { Refusal } from '../../errors.ts'

// Hop-by-hop headers (RFC 9110 7.6.1), what frames the message, and Expect, which would make every attempt wait.
const RESERVED_NAMES = new Set(
  'connection expect host http2-settings keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
)
// The body is the contract's and so are the headers about it and its signature.
const RESERVED_FAMILIES = /^(content-|flo-|webhook-|stripe-signature$|x-flo-)/

const SENSITIVE = /auth|cookie|credential|key|pass|secret|session|signature|token/i
const CREDENTIALS = /^(basic|bearer|digest|token) /i

const MAX_HEADERS = 20

const isReserved = (name: string) =>
  RESERVED_NAMES.has(name.toLowerCase()) || RESERVED_FAMILIES.test(name.toLowerCase())

// RFC 9110: a token. CR and LF would begin a header of the caller's making.
const headerName = z
  .string()
  .max(100)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name')
  .refine((name) => !isReserved(name), { error: 'is a header that the gateway sets itself' })
const headerValue = z
  .string()
  .max(4096)
  .regex(/^[\x20-\x7e\t]*$/, 'must be printable ASCII without line breaks')

/** The headers that an endpoint adds to each delivery, as a request may give them. Rule: DESIGN.md 4, custom headers. */
export const endpointHeaders = z
  .record(headerName, headerValue)
  .refine((given) => Object.keys(given).length <= MAX_HEADERS, { error: `must be ${MAX_HEADERS} headers or fewer` })
  .refine((given) => new Set(Object.keys(given).map((name) => name.toLowerCase())).size === Object.keys(given).length, {
    error: 'must name each header once, in whatever case',
  })
  .meta({ example: { 'X-Environment': 'production' } })

/** The same as a reply shows them. */
export const headersReply = z
  .record(z.string(), z.string().nullable())
  .meta({ description: 'null: set, but sensitive by its name or value, and so never shown.' })

/** Headers with the values that may be secret replaced by null: a null cannot be sent back by mistake as a new value. */
export const hideSensitiveValues = (given: Record<string, string>): z.infer<typeof headersReply> =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name, isSensitive(name, value) ? null : value]))
const isSensitive = (name: string, value: string) => SENSITIVE.test(name) || CREDENTIALS.test(value)

/**
 * Throws `invalid` for a header that some contract sets, be it the endpoint's own or another: no request to a receiver may look
 * as if it were signed by a contract that it is not of.
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
