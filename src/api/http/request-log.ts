import type { Request, Response } from 'express'
import { pinoHttp } from 'pino-http'
import { newId } from '../../domain/ids.ts'
import type { Log } from '../../log.ts'

const QUIET = new Set(['/healthz', '/readyz'])

/**
 * Gives each request an id (the caller's X-Request-Id if it is well-formed), returns it as a header, and logs one line when the
 * request is answered, except for stored events, whose rows show the same. Bodies and headers are not logged: they contain
 * secrets.
 */
export const logRequests = (log: Log) =>
  pinoHttp({
    logger: log,
    genReqId(req, res) {
      const given = req.headers['x-request-id']
      const id = typeof given === 'string' && /^[\w.-]{1,100}$/.test(given) ? given : newId()
      res.setHeader('x-request-id', id)
      return id
    },
    // In a mounted router, `url` is only the rest of the path.
    autoLogging: { ignore: (req) => QUIET.has((req as Request).originalUrl) },
    customLogLevel(_req, res, error) {
      if ((res as Response).locals.isOverloaded) return 'debug'
      if (error || res.statusCode >= 500) return 'error'
      return (res as Response).locals.isIntakeStored ? 'silent' : 'info'
    },
    customProps: (_req, res) => ({ keyId: (res as Response).locals.caller?.keyId }),
    customSuccessMessage: () => 'api.answered',
    customErrorMessage: () => 'api.failed',
    serializers: {
      req: ({ id, method, url }) => ({ id, method, url }),
      res: ({ statusCode }) => ({ statusCode }),
    },
  })
