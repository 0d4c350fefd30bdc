import { z } from 'zod'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, eventType, textUpTo } from '../http/field-schemas.ts'
import { commonRoute, type Route } from '../http/route.ts'

const RuleInWords = z
  .strictObject({
    when: z.string().meta({ description: 'The first rule whose condition holds decides.', example: 'otherwise' }),
    emits: z.array(eventType),
    ignores: z
      .strictObject({ code: z.string(), because: z.string() })
      .nullable()
      .meta({ description: 'Why no event is emitted; null if one is.' }),
    remarks: z.array(z.string()),
  })
  .meta({ id: 'RuleInWords' })

const MappingInWords = z
  .strictObject({
    contract: z.string(),
    name: z.string().meta({ example: 'flo/subscription' }),
    types: z.array(z.string()).meta({ description: 'The Stripe event types that it reads.' }),
    rules: z.array(RuleInWords),
    owed: RuleInWords.nullable().meta({
      description: 'An event that is emitted first, if it has not been emitted before.',
    }),
    waitsFor: z.array(z.string()),
    fields: z.array(z.strictObject({ field: z.string(), source: z.string() })),
    names: z
      .array(z.strictObject({ name: z.string(), means: z.string() }))
      .meta({ description: 'What the names used in rules and fields mean.' }),
  })
  .meta({ id: 'MappingInWords', description: 'A mapping in words, for people, in Markdown.' })

/** /v1/mappings: which Stripe event becomes which event of a contract, and where each field comes from. */
export function mappingRoutes({
  contracts,
  describeMappings: mappingsInWords,
}: Pick<ApiDeps, 'contracts' | 'describeMappings'>): Route[] {
  const all = Object.entries(mappingsInWords()).flatMap(([contract, list]) =>
    list.map((mapping) => ({ contract, ...mapping })),
  )
  return [
    commonRoute('GET /v1/mappings', {
      summary: 'List mappings with their rules and fields',
      description:
        'The whole catalog on one page, in the order in which events are emitted. `POST /v1/mappings/dry-run` applies it to an event.',
      query: z.strictObject({
        clientId,
        contract: z.enum(Object.keys(contracts)).optional(),
        type: textUpTo(200).optional().meta({ description: 'Only mappings that read this Stripe event type.' }),
      }),
      reply: MappingInWords,
      isList: true,
      answerCall: async ({ query }) => ({
        data: all.filter(
          ({ contract, types }) =>
            contract === (query.contract ?? contract) && (query.type === undefined || types.includes(query.type)),
        ),
        meta: { nextCursor: null, prevCursor: null },
      }),
    }),
  ]
}
