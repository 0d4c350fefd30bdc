import { z } from 'zod'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, idReference, textUpTo } from '../http/field-schemas.ts'
import { type Route, resourceRoute } from '../http/route.ts'
import { Explanation } from './explanation-schema.ts'

/** Why a source event became what it became, and what one would become. */
export const explanationRoutes = (deps: Pick<ApiDeps, 'explainSourceEvent' | 'dryRunEvent'>): Route[] => [
  resourceRoute('GET /v1/source-events/{id}/explain', {
    summary: 'Explain what became of a source event',
    description:
      'Which rules were tried and which held, every field with what it was read from, every delivery, and the endpoints that were passed over.',
    ids: { id: 'sourceEvent' },
    reply: Explanation,
    answerCall: async ({ db, clientId, params }) => ({ data: await deps.explainSourceEvent(db, clientId, params.id) }),
  }),
  resourceRoute('POST /v1/mappings/dry-run', {
    summary: 'Try what a Stripe event would become',
    description: 'As if the source sent it now. Nothing is stored or sent.',
    body: z.strictObject({
      clientId,
      sourceId: idReference,
      event: z.looseObject({ type: textUpTo(200) }).meta({
        description: "As Stripe sends it or its API shows it; an app event's as the `body` of its source event.",
      }),
    }),
    ids: { sourceId: 'sourceOrApp' },
    reply: Explanation,
    answerCall: async ({ db, clientId, body }) => ({
      data: await deps.dryRunEvent(db, clientId, body.sourceId, body.event),
    }),
  }),
]
