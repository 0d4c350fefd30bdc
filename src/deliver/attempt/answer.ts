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
  /** A kept connection had lost the request, which was sent once more at once: the receiver may have got it twice. */
  wasSentAgain?: boolean
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

/**
 * What is stored of an answer: of a 2xx 1 KiB of the body, of others all that was read, to the last whole character; headers up
 * to 4 KiB. `isWhole`: all of the body was read.
 */
export function storedAnswer({
  headers,
  body,
  isWhole,
  ...rest
}: ResponseHead & { startedAt: Date; body: Buffer; isWhole: boolean }): AttemptAnswer {
  const bytes = rest.outcome.kind === 'delivered' ? body.subarray(0, DELIVERED_MAX_BYTES) : body
  const isCut = !isWhole || bytes.length < body.length
  return { ...rest, headers: storedHeaders(headers), body: storedBody(bytes, headers, isCut) }
}

function storedBody(bytes: Buffer, headers: ResponseHeaders, isCut: boolean): string | null {
  if (bytes.length === 0) return null
  // Never decompressed: it may be a gzip bomb.
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') return `(${encoding}, not decoded)`
  // As part of a stream, bytes that only begin a character are left out.
  return storableText(decoderFor(headers['content-type']).decode(bytes, { stream: isCut }))
}

/** Of the charset that the answer names, where it is one that is known; else UTF-8. */
function decoderFor(contentType: string | string[] | undefined): TextDecoder {
  const charset = /;\s*charset\s*=\s*"?([\w.:-]{1,40})/i.exec(String(contentType ?? ''))?.[1] ?? 'utf-8'
  try {
    return new TextDecoder(charset, { ignoreBOM: true })
  } catch {
    return new TextDecoder('utf-8', { ignoreBOM: true })
  }
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
