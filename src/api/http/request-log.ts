import type { Request, Response } from 'express'
import { pinoHttp } from 'pino-http'
import { newId } from '../../domain/ids.ts'
import type { Log } from '../../log.ts'

const QUIET = new Set(['/healthz', '/readyz'])

/**
 * Gives each request an id, the caller's own X-Request-Id where it is sound, echoes it, and logs one line when it is
 * answered, but for events that were taken in: those are found by their rows. Neither bodies nor headers are logged: both
 * hold secrets.
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
    // `url` is what is left of the path behind a router's mount.
    autoLogging: { ignore: (req) => QUIET.has((req as Request).originalUrl) },
    customLogLevel(_req, res, error) {
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
