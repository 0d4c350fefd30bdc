import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { ZodOpenApiPathsObject } from 'zod-openapi'
import type { ApiDeps } from './api-deps.ts'

const Health = z.strictObject({ status: z.literal('ok') })
const Ready = z.strictObject({ status: z.enum(['ready', 'unavailable']), details: z.record(z.string(), z.unknown()) })

/** GET /healthz: 200 whenever the process answers; of several processes, whenever one does. */
export const answerHealthz: RequestHandler = (_req, res) => {
  res.json({ status: 'ok' })
}

/** GET /readyz: 200 once it is migrated, connected, running all its roles and able to store; 503 while starting or draining. */
export const answerReadyz =
  ({ checkReadiness: ready }: Pick<ApiDeps, 'checkReadiness'>): RequestHandler =>
  async (_req, res) => {
    const { isReady, details } = await ready()
    res.status(isReady ? 200 : 503).json({ status: isReady ? 'ready' : 'unavailable', details })
  }

const jsonReply = (description: string, schema: z.ZodType) => ({
  description,
  content: { 'application/json': { schema } },
})

/** Both routes for /openapi.json. */
export const healthPaths: ZodOpenApiPathsObject = {
  '/healthz': {
    get: {
      operationId: 'getHealthz',
      tags: ['health'],
      summary: 'Check that the process answers',
      security: [],
      responses: { 200: jsonReply('The process answers.', Health) },
    },
  },
  '/readyz': {
    get: {
      operationId: 'getReadyz',
      tags: ['health'],
      summary: 'Check that the process is ready for work',
      security: [],
      responses: {
        200: jsonReply(
          'The process is migrated and connected, runs all its roles, and its database can write more; of several processes under one parent, each that runs.',
          Ready,
        ),
        503: jsonReply(
          'The process is starting or draining, has lost its database, or the database has no space left: `details` says which. Of several processes, one of them, or one does not answer.',
          Ready,
        ),
      },
    },
  },
}
