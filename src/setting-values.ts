import { isIP } from 'node:net'
import { z } from 'zod'

/** What an environment adds to a value by mistake: white space and invisible characters around it (a byte order mark, say), a pair of quotes. */
const AROUND = /^[\s\p{Cf}]+|[\s\p{Cf}]+$/gu
const QUOTED = /^(["'])(.*)\1$/s

/** A value without white space around it: files with secrets and Windows' line ends bring it along. */
export const trimSpace = (text: string): string => text.replace(AROUND, '')

/** The same without a pair of quotes, which `docker --env-file` leaves in place. */
export function trimSetting(text: string): string {
  const trimmed = trimSpace(text)
  return trimSpace(QUOTED.exec(trimmed)?.[2] ?? trimmed)
}

/** What is in a value by mistake and leaves no doubt about it, as "must ..."; null: nothing is. */
export function findSlip(value: string): string | null {
  if (value.split(',').some((part) => /\p{Cc}/u.test(part.trim())))
    return 'must be one line, without tabs and control characters'
  if (/\p{Cf}/u.test(value)) return 'must not hold invisible characters (a zero-width space, say): type it anew'
  if (/^[`\u2018-\u201F\u00AB]/u.test(value)) return 'must not stand in quotes'
  if (/\s#/.test(value)) return 'must not be followed by a comment'
  if (/^(\$\{?\w+\}?|<[^<>]*>)$/.test(value)) return 'must be a value: what should have been put in its place was not'
  return null
}

/** A number as people write it: digits, a point. */
export const decimal = z
  .string()
  .regex(/^-?\d+(\.\d+)?$/, 'must be a number, in digits')
  .transform(Number)

/** One line of text. */
export const line = z.string().regex(/^\P{Cc}+$/u, 'must be one line, without tabs and control characters')

/** What a client sends as `Authorization: Bearer <token>`: nothing else could ever match. */
export const bearerSecret = z
  .string()
  .min(16, 'must have 16 characters or more')
  .regex(
    /^[\x21-\x7e]+$/,
    'must hold letters, digits and signs of ASCII alone, without spaces and line breaks: nobody could send it as a Bearer token',
  )
  .regex(/^[^"'].*[^"']$/s, 'must not stand in quotes: they would be part of the token')

/** A name or address to listen on. */
export const listenHost = line.refine(
  (host) => isIP(host) !== 0 || /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(host),
  'must be a name or an address without scheme, port and slash, such as 0.0.0.0',
)

interface UrlParts {
  path?: boolean
  credentials?: boolean
  /** What is said of a value that is no such URL. */
  example: string
}

/** An http(s) URL that ends after its host and port, or after its `path`; without the slash at its end. */
export const webUrl = ({ path = false, credentials = false, example }: UrlParts) =>
  line.transform((text, context) => {
    const url = URL.canParse(text) && /^https?:\/\/[^/]/i.test(text) ? new URL(text) : null
    const trouble = url ? findPartTrouble(url, text, { path, credentials }) : `must be a URL such as ${example}`
    if (url && trouble === null) return url.href.replace(/\/+$/, '')
    context.addIssue({ code: 'custom', message: trouble ?? '' })
    return z.NEVER
  })

function findPartTrouble(url: URL, text: string, { path, credentials }: Pick<UrlParts, 'path' | 'credentials'>) {
  const where = path ? 'must end after its path' : 'must end after the host and port'
  if (/[?#]/.test(text)) return `${where}, without "?" and "#"`
  if (/[\s\\]/.test(text)) return `${where}, without spaces and backslashes`
  if (!/^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)$/.test(url.hostname) || text.indexOf('://') !== text.lastIndexOf('://'))
    return 'must hold one name or address of a host'
  if (!path && url.pathname !== '/') return where
  if (!credentials && (url.username || url.password)) return 'must not hold a user and password'
  if ([url.pathname, url.username, url.password].some((part) => !isDecodable(part)))
    return 'must be percent-encoded: %25 for a %, %40 for an @ in a user or password'
  return null
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
