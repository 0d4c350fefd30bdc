import { z } from 'zod'
import { type Contract, wireExample, wireSchemaOf } from '../../contracts/contract.ts'
import { Refusal } from '../../errors.ts'
import type { ApiDeps } from '../http/api-deps.ts'
import { clientId, eventType, textUpTo } from '../http/field-schemas.ts'
import { commonRoute, type Route } from '../http/route.ts'

const EventType = z
  .strictObject({
    eventType,
    contract: z.string(),
    schema: z
      .record(z.string(), z.unknown())
      .meta({ description: 'The JSON Schema of the body that endpoints receive.' }),
    example: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'EventType' })

/** /v1/event-types: what endpoints can receive, by contract. */
export function eventTypeRoutes({ contracts }: Pick<ApiDeps, 'contracts'>): Route[] {
  const all = Object.values(contracts).flatMap(catalogOf)
  return [
    commonRoute('GET /v1/event-types', {
      summary: 'List event types, with JSON Schema and example',
      description: 'The whole catalog on one page, contract by contract.',
      query: z.strictObject({ clientId, contract: z.enum(Object.keys(contracts)).optional() }),
      reply: EventType,
      isList: true,
      answerCall: async ({ query }) => ({
        data: all.filter(({ contract }) => query.contract === undefined || contract === query.contract),
        meta: { nextCursor: null, prevCursor: null },
      }),
    }),
    commonRoute('GET /v1/event-types/{eventType}', {
      summary: 'Get an event type',
      params: { eventType: textUpTo(100) },
      query: z.strictObject({ clientId, contract: z.enum(Object.keys(contracts)).optional() }),
      reply: EventType,
      async answerCall({ params, query }) {
        const found = all.find(
          ({ eventType, contract }) => eventType === params.eventType && contract === (query.contract ?? contract),
        )
        if (!found) throw new Refusal('not_found')
        return { data: found }
      },
    }),
  ]
}

const catalogOf = (contract: Contract) =>
  contract.eventTypes.map((eventType) => ({
    eventType,
    contract: contract.name,
    schema: z.toJSONSchema(wireSchemaOf(contract, eventType)),
    example: wireExample(contract, eventType),
  }))
