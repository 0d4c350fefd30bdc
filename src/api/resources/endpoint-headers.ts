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

// What a header of one's own may hold nobody can tell: `X-Tenant: sk_live_...`. These say where a delivery comes from or how it is
// to be handled, and hold nothing else by their names.
const HARMLESS_NAMES =
  /^(accept(-language)?|cache-control|pragma|priority|x-(api-version|app|application|env|environment|origin|platform|region|source|stage|team|version|zone))$/i
// A word or a few: a version, a place, a product. Credentials have schemes, prefixes, or are long.
const HARMLESS_VALUE =
  /^(?!.*(?:(?:^|[\s,;])(?:basic|bearer|digest|token)\s|eyJ|(?:sk|rk|pk|whsec|ghp|gho|xox[a-z])[_-]))[\w .,;:/()=+*-]{0,60}$/i
const RANDOM_WORD = /[A-Za-z0-9+/_-]{24,}/

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
export const headersReply = z.record(z.string(), z.string().nullable()).meta({
  description:
    'null: set, and never shown. Only what is plainly harmless is: a name such as X-Environment with a short value.',
})

/** Replaces values by null, which cannot be sent back by mistake as a new value, unless they are plainly harmless. */
export const hideSensitiveValues = (given: Record<string, string>): z.infer<typeof headersReply> =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name, isHarmless(name, value) ? value : null]))

const isHarmless = (name: string, value: string) =>
  HARMLESS_NAMES.test(name) && HARMLESS_VALUE.test(value) && !RANDOM_WORD.test(value)

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
