import { z } from 'zod'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, idReference, requestTime, textUpTo } from '../http/field-schemas.ts'
import { type Route, resourceRoute } from '../http/route.ts'
import { readSourceEvent, SourceEvent } from './source-events.ts'

const RenormalizeBody = z
  .strictObject({
    clientId,
    state: z.enum(['failed', 'ignored']),
    code: textUpTo(100).optional().meta({ description: 'The code of the reason, e.g. `unmapped_value`.' }),
    type: textUpTo(200).optional(),
    sourceId: idReference.optional(),
    since: requestTime.optional().meta({ description: 'Received then or later.' }),
    until: requestTime.optional().meta({ description: 'Received before.' }),
  })
  .refine(({ state, code }) => state === 'failed' || code !== undefined, {
    path: ['code'],
    error: 'is required with the state ignored: what was ignored for another reason is ignored again',
  })

/** Source events once more through the normaliser: after a mapping was mended, or a source has got its API key. */
export const renormalizationRoutes = (
  deps: Pick<ApiDeps, 'renormalizeOne' | 'renormalizeMatching' | 'wakes'>,
): Route[] => [
  resourceRoute('POST /v1/source-events/{id}/renormalize', {
    summary: 'Normalise a failed or ignored source event once more',
    description: 'One that waits already is left alone. What was told before is not told again.',
    ids: { id: 'sourceEvent' },
    reply: SourceEvent,
    status: 202,
    async answerCall({ db, clientId, params, afterCommit }) {
      await deps.renormalizeOne(db, clientId, params.id)
      afterCommit(() => deps.wakes.normalize(clientId))
      return { data: await readSourceEvent(db, clientId, params.id) }
    },
  }),
  resourceRoute('POST /v1/source-events/renormalize', {
    summary: 'Normalise all failed or ignored source events that fit once more',
    ids: { sourceId: 'sourceOrApp' },
    body: RenormalizeBody,
    reply: z
      .strictObject({ count: z.number().int().meta({ description: 'How many go through once more.' }) })
      .meta({ id: 'Renormalized' }),
    status: 202,
    async answerCall({ db, clientId, body, afterCommit }) {
      const { clientId: _, ...which } = body
      const { count } = await deps.renormalizeMatching(db, clientId, which)
      afterCommit(() => deps.wakes.normalize(clientId))
      return { data: { count } }
    },
  }),
]
