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
      .meta({ description: 'Why nothing is told; null where something is.' }),
    remarks: z.array(z.string()),
  })
  .meta({ id: 'RuleInWords' })

const MappingInWords = z
  .strictObject({
    contract: z.string(),
    name: z.string().meta({ example: 'flo/subscription' }),
    types: z.array(z.string()).meta({ description: "Stripe's event types that it reads." }),
    rules: z.array(RuleInWords),
    owed: RuleInWords.nullable().meta({
      description: 'What is told before the rules speak, where it was not told yet.',
    }),
    waitsFor: z.array(z.string()),
    fields: z.array(z.strictObject({ field: z.string(), source: z.string() })),
    names: z
      .array(z.strictObject({ name: z.string(), means: z.string() }))
      .meta({ description: 'What the names in rules and fields stand for.' }),
  })
  .meta({ id: 'MappingInWords', description: 'A mapping as a person reads it, in Markdown.' })

/** /v1/mappings: which Stripe event becomes which event of a contract, and where each field comes from. Rule: DESIGN.md 3. */
export function mappingRoutes({
  contracts,
  describeMappings: mappingsInWords,
}: Pick<ApiDeps, 'contracts' | 'describeMappings'>): Route[] {
  const all = Object.entries(mappingsInWords()).flatMap(([contract, list]) =>
    list.map((mapping) => ({ contract, ...mapping })),
  )
  return [
    commonRoute('GET /v1/mappings', {
      summary: 'List mappings, rule by rule and field by field',
      description:
        'The whole catalog, in the order in which events leave. `POST /v1/mappings/dry-run` tries it on an event.',
      query: z.strictObject({
        clientId,
        contract: z.enum(Object.keys(contracts)).optional(),
        type: textUpTo(200).optional().meta({ description: 'Those that read this event type of Stripe.' }),
      }),
      reply: MappingInWords,
      isList: true,
      answerCall: async ({ query }) => ({
        data: all.filter(
          ({ contract, types }) =>
            contract === (query.contract ?? contract) && (query.type === undefined || types.includes(query.type)),
        ),
        meta: { nextCursor: null },
      }),
    }),
  ]
}
