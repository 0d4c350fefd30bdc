import express, { type RequestHandler } from 'express'
import type { z } from 'zod'
import { Refusal, type RefusalDetail } from '../../errors.ts'

/** What a route takes unless it says otherwise. */
export const DEFAULT_MAX_BYTES = 256 * 1024
/** No schema looks deeper than this. */
const MAX_DEPTH = 8
/** A body of megabytes can be wrong in a million places. */
const MAX_DETAILS = 1000

/** Reads a JSON body into `req.body`, undefined where there is none. Refuses other types and more than `maxBytes`. */
export function readJsonBody(maxBytes: number): RequestHandler {
  const parsed = express.json({ limit: maxBytes, strict: false })
  return (req, res, next) => {
    // A POST to `/enable` needs no body, and so no Content-Type; HTTP clients differ in whether they say that it is empty.
    const empty = req.is('*/*') === null || req.get('content-length') === '0'
    if (empty || req.method === 'GET' || req.method === 'HEAD') return next()
    if (!req.is('application/json')) throw new Refusal('unsupported_media_type')
    parsed(req, res, next)
  }
}

/** What PostgreSQL has no text for, anywhere in a value: a NUL and half a surrogate pair. */
export function findUnstorableText(value: unknown): RefusalDetail[] {
  const found: RefusalDetail[] = []
  const checkText = (text: string, path: string[]) => {
    if (!text.includes('\u0000') && text.isWellFormed()) return
    found.push({ path: path.join('.'), code: 'unstorable_text', message: 'holds a NUL or half a surrogate pair' })
  }
  // By hand: the nesting of a body may go deeper than the call stack.
  const open: { value: unknown; path: string[] }[] = [{ value, path: [] }]
  for (let next = open.pop(); next; next = open.pop()) {
    if (typeof next.value === 'string') checkText(next.value, next.path)
    if (typeof next.value !== 'object' || next.value === null || next.path.length > MAX_DEPTH) continue
    for (const [key, inner] of Object.entries(next.value)) {
      const path = [...next.path, key]
      checkText(key, path)
      open.push({ value: inner, path })
    }
  }
  return found
}

/** The value as the schema reads it. Throws `invalid` with one detail per thing that is wrong, the first 1,000. */
export function parseOrRefuse<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const result = schema.safeParse(value, { reportInput: true })
  const details = result.success ? findUnstorableText(value) : result.error.issues.flatMap(issueDetails)
  if (!result.success || details.length > 0) throw new Refusal('invalid', { details: details.slice(0, MAX_DETAILS) })
  return result.data
}

function issueDetails(issue: z.core.$ZodIssue): RefusalDetail[] {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      path: [...path, key].join('.'),
      code: 'unknown_key',
      message: 'is no field of this request',
    }))
  // A member that tells which of several shapes the rest has.
  if (issue.code === 'invalid_union' && 'options' in issue)
    return [
      Object.hasOwn(issue.input as object, issue.discriminator!)
        ? { path: path.join('.'), code: 'invalid_value', message: `must be one of ${issue.options?.join(', ')}` }
        : { path: path.join('.'), code: 'required', message: 'is required' },
    ]
  // The key of a record: what its own schema said of it.
  if (issue.code === 'invalid_key')
    return issue.issues.map(({ message }) => ({ path: path.join('.'), code: issue.code, message }))
  const missing =
    (issue.code === 'invalid_type' || issue.code === 'invalid_value') && issue.input === undefined && path.length > 0
  return [
    {
      path: path.join('.'),
      code: missing ? 'required' : issue.code === 'custom' ? (issue.params?.code ?? 'invalid') : issue.code,
      message: missing ? 'is required' : issue.message,
    },
  ]
}
