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
      'The rules that were tried and which of them held, each field with what it was read from, the deliveries, and the endpoints that did not get one and why.',
    ids: { id: 'sourceEvent' },
    reply: Explanation,
    answerCall: async ({ db, clientId, params }) => ({ data: await deps.explainSourceEvent(db, clientId, params.id) }),
  }),
  resourceRoute('POST /v1/mappings/dry-run', {
    summary: 'Show what an event would become',
    description: 'As if the source had sent it now. Nothing is stored or sent.',
    body: z.strictObject({
      clientId,
      sourceId: idReference,
      event: z.looseObject({ type: textUpTo(200) }).meta({
        description:
          "A Stripe event as it is sent, or as Stripe's API returns it; an app event as in the `body` of its source event.",
      }),
    }),
    ids: { sourceId: 'sourceOrApp' },
    storesNothing: () => true,
    reply: Explanation,
    answerCall: async ({ db, clientId, body }) => ({
      data: await deps.dryRunEvent(db, clientId, body.sourceId, body.event),
    }),
  }),
]
