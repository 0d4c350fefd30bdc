import type { ErrorRequestHandler, Request } from 'express'
import { isDatabaseAway } from '../../database/db.ts'
import { newId } from '../../domain/ids.ts'
import { Refusal, type RefusalCode, refusalBody } from '../../errors.ts'

// The types of body-parser's errors.
const BODY_ERRORS: Readonly<Record<string, RefusalCode>> = {
  'entity.parse.failed': 'malformed_json',
  'entity.too.large': 'too_large',
  'encoding.unsupported': 'unsupported_media_type',
  'charset.unsupported': 'unsupported_media_type',
}

/** The refusal to answer an error with; `internal` if it is our own fault. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const { type, status } = (error ?? {}) as { type?: unknown; status?: unknown }
  const known = typeof type === 'string' ? BODY_ERRORS[type] : undefined
  if (known) return new Refusal(known)
  if (typeof status === 'number' && status >= 400 && status < 500) return new Refusal('malformed_request')
  if (isDatabaseAway(error)) return new Refusal('unavailable', { retryAfterSeconds: 1 })
  return new Refusal('internal')
}

/** The id of a request, as the log and the X-Request-Id header have it. */
const requestIdOf = (req: Request): string => String(req.id ?? newId())

/** The last handler of the router: answers with the refusal. The log gets the error itself if the fault is ours. */
export const answerRefusal: ErrorRequestHandler = (error, req, res, next) => {
  if (res.headersSent) return next(error)
  const refusal = refusalOf(error)
  // A share that is used up is no fault of ours, and no line of a flood of requests may cost more than its answer.
  if (refusal.code === 'overloaded') res.locals.isOverloaded = true
  else if (refusal.status >= 500) res.err = error
  if (refusal.code === 'unauthorized') res.setHeader('www-authenticate', 'Bearer')
  if (refusal.retryAfterSeconds !== undefined) res.setHeader('retry-after', refusal.retryAfterSeconds)
  res.status(refusal.status).json(refusalBody(refusal, requestIdOf(req)))
}
