import express, { type Request, type RequestHandler } from 'express'
import type { z } from 'zod'
import { findLostKeys } from '../../domain/prototype-key.ts'
import { Refusal, type RefusalDetail } from '../../errors.ts'
import type { ByteBudget } from '../../network/byte-budget.ts'
import { PIECE_BYTES } from '../../network/tiny-pieces.ts'
import { shareOf } from './caller.ts'

/** The most bytes of a body, unless the route allows more. */
export const DEFAULT_MAX_BYTES = 256 * 1024
/** Bodies in memory, of all clients together; half of it is the most that one client has complete. */
export const BODIES_MAX_BYTES = 96 * 1024 * 1024
/** No schema is nested deeper than this. */
const MAX_DEPTH = 8
/** A body of megabytes can have a million mistakes. */
const MAX_DETAILS = 1000

/**
 * Reads the bytes of a JSON body into `req.body`, undefined if there is none; `parseBody` makes the value of them. Refuses other
 * types, compressed bodies, and more than `maxBytes`. Expects the caller in `res.locals.caller`: all bodies that are in memory
 * share one budget, in which each client has its share.
 */
export function readBody(maxBytes: number, budget: ByteBudget): RequestHandler {
  const readBytes = express.raw({ limit: maxBytes, inflate: false, type: () => true })
  return (req, res, next) => {
    // A POST to `/enable` needs no body and so no Content-Type; HTTP clients differ in whether they send a Content-Length of 0.
    const isEmpty = req.is('*/*') === null || req.get('content-length') === '0'
    if (isEmpty || req.method === 'GET' || req.method === 'HEAD') return next()
    if (!req.is('application/json') || !isUtf8(req)) throw new Refusal('unsupported_media_type')
    const share = shareOf(res.locals.caller)
    if (budget.keptBytes(share) > BODIES_MAX_BYTES / 2) throw new Refusal('overloaded', { retryAfterSeconds: 1 })
    const held = budget.hold(share, () => req.socket.destroy())
    res.once('close', held.release)
    req.on('data', (chunk: Buffer) => held.add(chunk.length + PIECE_BYTES))
    readBytes(req, res, (error) => {
      held.keep()
      next(error)
    })
  }
}

function isUtf8(req: Request): boolean {
  const charset = /;[ \t]*charset[ \t]*=[ \t]*"?([^";\s]*)/i.exec(req.get('content-type') ?? '')?.[1]
  return charset === undefined || /^utf-?8$/i.test(charset)
}

/** The value that the bytes of a body stand for; undefined: there was none. Throws `malformed_json`. */
export function parseBody(bytes: unknown): unknown {
  if (!Buffer.isBuffer(bytes)) return undefined
  if (bytes.length === 0) return {}
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    throw new Refusal('malformed_json')
  }
}

/** One detail for each text in a value that PostgreSQL cannot store: with a NUL or an unpaired surrogate. */
export function findUnstorableText(value: unknown): RefusalDetail[] {
  const found: RefusalDetail[] = []
  const checkText = (text: string, path: string[]) => {
    if (!text.includes('\u0000') && text.isWellFormed()) return
    found.push({ path: path.join('.'), code: 'unstorable_text', message: 'contains a NUL or an unpaired surrogate' })
  }
  // Without recursion: a body may be nested deeper than the call stack.
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

/** The value as the schema parses it. Throws `invalid` with one detail for each mistake, at most 1,000. */
export function parseOrRefuse<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const result = schema.safeParse(value, { reportInput: true })
  const details = result.success
    ? [...findUnstorableText(value), ...findLostKeys(value, result.data).map(lostKeyDetail)]
    : result.error.issues.flatMap(issueDetails)
  if (!result.success || details.length > 0) throw new Refusal('invalid', { details: details.slice(0, MAX_DETAILS) })
  return result.data
}

const lostKeyDetail = ({ path }: { path: string[] }): RefusalDetail => ({
  path: path.join('.'),
  code: 'invalid_key',
  message: 'cannot be a key',
})

function issueDetails(issue: z.core.$ZodIssue): RefusalDetail[] {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      path: [...path, key].join('.'),
      code: 'unknown_key',
      message: 'is not a field of this request',
    }))
  // The field that decides which of several shapes the object has.
  if (issue.code === 'invalid_union' && 'options' in issue)
    return [
      Object.hasOwn(issue.input as object, issue.discriminator ?? '')
        ? { path: path.join('.'), code: 'invalid_value', message: `must be one of ${issue.options?.join(', ')}` }
        : { path: path.join('.'), code: 'required', message: 'is required' },
    ]
  // The key of a record, checked by a schema of its own.
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
