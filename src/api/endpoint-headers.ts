import { z } from 'zod'

// Hop-by-hop headers (RFC 9110 7.6.1), what frames the message, and Expect, which would make every attempt wait.
const OURS = new Set(
  'connection expect host http2-settings keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
)
// The body is the contract's and so are the headers about it and its signature.
const OUR_FAMILIES = /^(content-|flo-|webhook-|stripe-signature$|x-flo-)/

const SENSITIVE = /auth|cookie|credential|key|pass|secret|session|signature|token/i

const MAX_HEADERS = 20

const reserved = (name: string) => OURS.has(name.toLowerCase()) || OUR_FAMILIES.test(name.toLowerCase())

// RFC 9110: a token. CR and LF would begin a header of the caller's making.
const headerName = z
  .string()
  .max(100)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be a header name')
  .refine((name) => !reserved(name), { error: 'is a header that the gateway sets itself' })
const headerValue = z
  .string()
  .max(4096)
  .regex(/^[\x20-\x7e\t]*$/, 'must be printable ASCII without line breaks')

/** The headers that an endpoint adds to each delivery, as a request may give them. Rule: DESIGN.md 4, custom headers. */
export const headers = z
  .record(headerName, headerValue)
  .refine((given) => Object.keys(given).length <= MAX_HEADERS, { error: `must be ${MAX_HEADERS} headers or fewer` })
  .refine((given) => new Set(Object.keys(given).map((name) => name.toLowerCase())).size === Object.keys(given).length, {
    error: 'must name each header once, in whatever case',
  })
  .meta({ example: { 'X-Environment': 'production' } })

/** The same as a reply shows them. */
export const shownHeaders = z
  .record(z.string(), z.string().nullable())
  .meta({ description: 'null: set, but sensitive by its name, and so never shown.' })

/** Headers with the values that may be secret replaced by null: a null cannot be sent back by mistake as a new value. */
export const withoutSecrets = (given: Record<string, string>): z.infer<typeof shownHeaders> =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name, SENSITIVE.test(name) ? null : value]))
