import { z } from 'zod'
import type { Contract } from './contract.ts'
import { flo } from './flo.ts'
import { describeSchemas, operationsMeanings } from './meanings.ts'
import { operationsExample } from './operations-example.ts'

// What the gateway reports about itself: for the operator, and for the developers of a client. Envelope, headers, signature and
// retries are those of Flo's events, so that one verifier takes both.

const time = z.iso.datetime({ precision: 3 }).meta({ description: 'ISO 8601, UTC, milliseconds' })
const text = z.string().nullable()

const client = z.strictObject({ id: z.uuid(), name: z.string() })
const operationsEndpoint = z.strictObject({
  id: z.uuid(),
  url: z.string(),
  contract: z.string(),
  description: text,
  status: z.enum(['enabled', 'disabled']),
  disabledReason: z.enum(['manual', 'gone', 'failing']).nullable(),
  failingSince: time.nullable().meta({ description: 'The first failure since the last success; null: not failing' }),
})
const delivery = z.strictObject({
  id: z.uuid().meta({ description: 'As in /v1/deliveries' }),
  eventId: z.uuid().meta({ description: 'As in /v1/events' }),
  eventType: z.string(),
  attempts: z.number().int(),
})
const source = z.strictObject({
  id: z.uuid().meta({ description: "As in /v1/sources; of app events the client's own id" }),
  name: text,
})
const refusals = z.strictObject({
  count: z.number().int().meta({ description: 'In a row' }),
  since: time,
  code: z.string().meta({ description: 'Of the last one, as in docs/errors.md' }),
})
const failure = z.strictObject({
  code: z.string(),
  message: text,
  sourceEventId: z.uuid().meta({ description: 'The first one, as in /v1/source-events' }),
  sourceEventType: z.string(),
})
const backlog = z.strictObject({
  of: z.enum(['sourceEvents', 'deliveries']),
  oldestDueAt: time,
  oldestSeconds: z.number().int().meta({ description: 'How long the longest waiting one is past its time' }),
  endpointId: z.uuid().nullable().meta({ description: 'Of deliveries, where the longest waiting one goes' }),
})

const sourceEvent = z.strictObject({
  id: z.uuid().meta({ description: 'As in /v1/source-events' }),
  type: z.string(),
  dueAt: time,
  seconds: z.number().int().meta({ description: 'How long it is past its time' }),
})

/** An event type and what it is about beside the client: key order is part of the contract. */
const bodySchema = <T extends string>(eventType: T, resources: z.ZodRawShape) =>
  z.strictObject({
    eventVersion: z.literal('v1'),
    eventType: z.literal(eventType),
    occurredAt: time,
    client: client.meta({ description: 'Whose it is' }),
    ...resources,
  })

const schemas = {
  'endpoint.disabled': bodySchema('endpoint.disabled', { endpoint: operationsEndpoint }),
  'endpoint.failing': bodySchema('endpoint.failing', { endpoint: operationsEndpoint }),
  'endpoint.recovered': bodySchema('endpoint.recovered', { endpoint: operationsEndpoint }),
  'delivery.exhausted': bodySchema('delivery.exhausted', { endpoint: operationsEndpoint, delivery }),
  'source.signature_failing': bodySchema('source.signature_failing', { source, refusals }),
  'mapping.failed': bodySchema('mapping.failed', { source, failure }),
  'source_event.stuck': bodySchema('source_event.stuck', { source, sourceEvent }),
  'source_event.unrouted': bodySchema('source_event.unrouted', { source, failure }),
  'backlog.growing': bodySchema('backlog.growing', { backlog }),
} as const

/** The body of each event type as it is stored. */
export type OperationsBodies = { [Type in keyof typeof schemas]: z.infer<(typeof schemas)[Type]> }
export type OperationsType = keyof typeof schemas

const eventId = z.uuid().meta({ description: "The delivery's id: the same on every retry, another for every endpoint" })
const wireSchemas = Object.fromEntries(
  Object.entries(schemas).map(([type, schema]) => [type, z.strictObject({ eventId, ...schema.shape })]),
)

export const operations: Contract = {
  ...flo,
  name: 'operations.v1',
  eventTypes: Object.keys(schemas),
  schemas,
  wireSchemas: describeSchemas(wireSchemas, operationsMeanings),
  example: operationsExample,
}
