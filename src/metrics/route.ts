import { createHash, timingSafeEqual } from 'node:crypto'
import type { RequestHandler } from 'express'
import { newId } from '../domain/ids.ts'
import { Refusal, refusalBody } from '../errors.ts'
import type { Log } from '../log.ts'
import { bearerToken } from '../network/bearer.ts'
import type { Metrics } from './metrics.ts'

interface MetricsRouteDeps {
  log: Log
  metrics: Pick<Metrics, 'renderText' | 'contentType'>
  /** FLO_METRICS_TOKEN; undefined: whoever reaches the port may read. */
  token: string | undefined
}

/** GET /metrics in Prometheus' text format. Where a token is set, requests without it get 401. */
export const createMetricsRoute =
  ({ log, metrics, token }: MetricsRouteDeps): RequestHandler =>
  async (req, res) => {
    if (token !== undefined && !isBearerOf(token, req.get('authorization'))) {
      const refusal = new Refusal('unauthorized', { message: 'Send Authorization: Bearer <FLO_METRICS_TOKEN>.' })
      res.status(refusal.status).set('www-authenticate', 'Bearer').json(refusalBody(refusal, newId()))
      return
    }
    try {
      const text = await metrics.renderText()
      res.set('content-type', metrics.contentType).end(text)
    } catch (error) {
      const requestId = newId()
      log.error({ err: error, requestId }, 'metrics.failed')
      res.status(500).json(refusalBody(new Refusal('internal'), requestId))
    }
  }

const hashToken = (text: string) => createHash('sha256').update(text).digest()
// Hashes have one length: the time of the comparison must not reveal how much of a guess was right.
const isBearerOf = (token: string, authorization?: string) =>
  timingSafeEqual(hashToken(bearerToken(authorization)), hashToken(token))
