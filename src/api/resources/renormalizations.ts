import { z } from 'zod'
import { OPERATOR_CLIENT } from '../../domain/ids.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, idReference, requestTime, textUpTo } from '../http/field-schemas.ts'
import { assertWindow } from '../http/page.ts'
import { type Route, resourceRoute } from '../http/route.ts'
import { readSourceEvent, SourceEvent } from './source-events.ts'

const RenormalizeBody = z
  .strictObject({
    clientId,
    state: z.enum(['failed', 'ignored', 'normalized', 'unrouted']),
    code: textUpTo(100).optional().meta({ description: 'The code of the reason, for example `unmapped_value`.' }),
    type: textUpTo(200).optional(),
    sourceId: idReference.optional(),
    since: requestTime.optional().meta({ description: 'Received at this time or later.' }),
    until: requestTime.optional().meta({ description: 'Received before this time.' }),
  })
  .refine(({ state, code }) => state !== 'ignored' || code !== undefined, {
    path: ['code'],
    error: 'is required when state is ignored: events ignored for other reasons would be ignored again',
  })
  .refine(({ state, code }) => state !== 'normalized' || code === 'lines_untold', {
    path: ['code'],
    error: 'must be lines_untold when state is normalized: the others were sent in full',
  })

/** Normalize source events again, after a mapping was fixed or a source was given its API key. */
export const renormalizationRoutes = (
  deps: Pick<ApiDeps, 'renormalizeOne' | 'renormalizeMatching' | 'wakes'>,
): Route[] => [
  resourceRoute('POST /v1/source-events/{id}/renormalize', {
    summary:
      'Normalize a source event again that failed, was ignored, or was sent in part, or route one that is unrouted',
    description:
      'An event that is already waiting is left as it is. Events that were emitted before are not emitted again.',
    ids: { id: 'sourceEvent' },
    reply: SourceEvent,
    status: 202,
    async answerCall({ db, clientId, params, afterCommit }) {
      await deps.renormalizeOne(db, clientId, params.id)
      afterCommit(() => wakeFor(deps, clientId))
      return { data: await readSourceEvent(db, clientId, params.id) }
    },
  }),
  resourceRoute('POST /v1/source-events/renormalize', {
    summary:
      'Normalize all matching source events again that failed, were ignored, or were sent in part, or route those that are unrouted',
    ids: { sourceId: 'sourceOrApp' },
    body: RenormalizeBody,
    reply: z
      .strictObject({ count: z.number().int().meta({ description: 'How many are normalized again.' }) })
      .meta({ id: 'Renormalized' }),
    status: 202,
    async answerCall({ db, clientId, body, afterCommit }) {
      const { clientId: _, ...filter } = body
      assertWindow(filter)
      const { count } = await deps.renormalizeMatching(db, clientId, filter)
      afterCommit(() => wakeFor(deps, clientId))
      return { data: { count } }
    },
  }),
]

/** Unrouted events are the operator's: the room that routes looks at them. */
function wakeFor({ wakes }: Pick<ApiDeps, 'wakes'>, clientId: string): void {
  wakes.normalize(clientId)
  if (clientId === OPERATOR_CLIENT) wakes.route(clientId)
}
