import type { AttemptOutcome } from '../attempt-outcome.ts'

/** How an attempt ended, and what is stored of the answer: text that PostgreSQL can store. */
export interface AttemptAnswer {
  outcome: AttemptOutcome
  startedAt: Date
  /** Milliseconds until the status line, or until it was clear that none would come. */
  durationMs: number
  headers: Record<string, string | string[]> | null
  body: string | null
  /** The error of this machine, addresses included: only for the log. */
  cause?: string
}

type ResponseHeaders = Record<string, string | string[] | undefined>
/** An answer's head. */
export interface ResponseHead {
  outcome: AttemptOutcome
  headers: ResponseHeaders
  durationMs: number
}

const DELIVERED_MAX_BYTES = 1024
const HEADERS_MAX_CHARS = 4096

/** What is stored of an answer: of a 2xx 1 KiB of the body, of others all that was read; headers up to 4 KiB. */
export function storedAnswer({
  headers,
  body,
  ...rest
}: ResponseHead & { startedAt: Date; body: Buffer }): AttemptAnswer {
  const bytes = rest.outcome.kind === 'delivered' ? body.subarray(0, DELIVERED_MAX_BYTES) : body
  return { ...rest, headers: storedHeaders(headers), body: storedBody(bytes, headers['content-encoding']) }
}

function storedBody(bytes: Buffer, encoding: string | string[] | undefined): string | null {
  if (bytes.length === 0) return null
  // Never decompressed: it may be a gzip bomb.
  if (encoding !== undefined && encoding !== 'identity') return `(${encoding}, not decoded)`
  return storableText(bytes.toString('utf8'))
}

function storedHeaders(headers: ResponseHeaders): Record<string, string | string[]> {
  const result: Record<string, string | string[]> = {}
  let charsLeft = HEADERS_MAX_CHARS
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined) continue
    charsLeft -= name.length + String(value).length
    if (charsLeft < 0) break
    result[name] = value
  }
  return result
}

/** A NUL is the one character that PostgreSQL's text refuses. */
const storableText = (text: string): string => (text.includes('\u0000') ? text.replaceAll('\u0000', '\uFFFD') : text)
