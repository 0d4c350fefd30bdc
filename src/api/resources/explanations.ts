import { z } from 'zod'
import type { ApiDeps, ExplanationPart } from '../http/api-deps.ts'
import { decodeCursor, encodeCursor } from '../http/cursor.ts'
import { clientId, idReference, textUpTo } from '../http/field-schemas.ts'
import { type Route, resourceRoute } from '../http/route.ts'
import { Explanation } from './explanation-schema.ts'

type Deps = Pick<ApiDeps, 'explainSourceEvent' | 'dryRunEvent' | 'keyRing'>

const DEFAULT_EVENTS = 20
const MAX_EVENTS = 100

/** What chooses the events of an explanation that a reply shows. */
const pageFields = {
  cursor: textUpTo(2000).optional().meta({
    description: '`meta.nextCursor` of the reply before, asked with the same `event` and `field`.',
  }),
  event: textUpTo(500).optional().meta({ description: 'Only the event with this id or this business key.' }),
  field: textUpTo(200).optional().meta({
    description: 'Only this field of the events and what stands below it.',
    example: 'subscription.amount',
  }),
}
const LIMIT_WORDS =
  'The most events that a reply shows. It ends earlier where they are long: `meta.nextCursor` then goes on, with the next event or with further fields of the same one.'

const pageMeta = z.strictObject({
  nextCursor: z.string().nullable().meta({ description: 'null where no event and no field follows.' }),
  eventCount: z.number().int().meta({ description: 'The events of the whole explanation.' }),
})

interface PageRequest {
  limit: number
  cursor?: string | undefined
  event?: string | undefined
  field?: string | undefined
}

/** Why a source event became what it became, and what one would become. */
export const explanationRoutes = (deps: Deps): Route[] => [
  resourceRoute('GET /v1/source-events/{id}/explain', {
    summary: 'Explain what became of a source event',
    description:
      'The rules that were tried and which of them held, each field with what it was read from, the deliveries, and the endpoints that did not get one and why. The events come in pages.',
    ids: { id: 'sourceEvent' },
    query: z.strictObject({
      clientId,
      ...pageFields,
      limit: z
        .string()
        .regex(/^\d{1,3}$/, `must be a whole number from 1 to ${MAX_EVENTS}`)
        .transform(Number)
        .pipe(z.number().min(1).max(MAX_EVENTS))
        .default(DEFAULT_EVENTS)
        .meta({
          description: LIMIT_WORDS,
          override: { type: 'integer', minimum: 1, maximum: MAX_EVENTS, default: DEFAULT_EVENTS, pattern: undefined },
        }),
    }),
    reply: Explanation,
    meta: pageMeta,
    answerCall: ({ db, clientId, params, query }) =>
      answerPage(deps, `explain ${params.id}`, query, (page) => deps.explainSourceEvent(db, clientId, params.id, page)),
  }),
  resourceRoute('POST /v1/mappings/dry-run', {
    summary: 'Show what an event would become',
    description:
      'As if the source had sent it now. Nothing is stored or sent. Its events come in pages, as in an explanation.',
    body: z.strictObject({
      clientId,
      sourceId: idReference,
      event: z.looseObject({ type: textUpTo(200) }).meta({
        description:
          "A Stripe event as it is sent, or as Stripe's API returns it; an app event as in the `body` of its source event.",
      }),
      page: z
        .strictObject({
          ...pageFields,
          limit: z.number().int().min(1).max(MAX_EVENTS).default(DEFAULT_EVENTS).meta({ description: LIMIT_WORDS }),
        })
        .optional(),
    }),
    ids: { sourceId: 'sourceOrApp' },
    storesNothing: () => true,
    reply: Explanation,
    meta: pageMeta,
    answerCall: ({ db, clientId, body: { sourceId, event, page = { limit: DEFAULT_EVENTS } } }) =>
      answerPage(deps, `dry run ${sourceId}`, page, (asked) =>
        deps.dryRunEvent(db, clientId, { sourceId, event }, asked),
      ),
  }),
]

/** A page of an explanation, with the cursor of the next one. Throws `cursor_invalid`. */
async function answerPage(
  { keyRing }: Deps,
  of: string,
  { limit, cursor, event, field }: PageRequest,
  explain: (page: ExplanationPart) => ReturnType<ApiDeps['explainSourceEvent']>,
) {
  // A place among some events is none among others.
  const list = [of, event ?? '', field ?? ''].join('\n')
  const [at = 0, fieldAt = 0] =
    cursor === undefined ? [] : decodeCursor(keyRing, cursor, { list, order: 'asc' }).keys.map(Number)
  const { explanation, next, eventCount } = await explain({ from: { event: at, field: fieldAt }, limit, event, field })
  const nextCursor =
    next && encodeCursor(keyRing, { list, order: 'asc', keys: [String(next.event), String(next.field)] })
  return { data: explanation, meta: { nextCursor, eventCount } }
}
