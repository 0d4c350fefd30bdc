import { z } from 'zod'
import { EVENT_ORIGINS } from '../../domain/event-origin.ts'
import { id, replyTime } from '../http/field-schemas.ts'

// The reply of explain and dry run, which src/normalize/explain computes.

const value = z.unknown().meta({
  description:
    'The value that was found there: any JSON. Of a very long text its beginning is shown, of a very long list or object how long it is.',
})
const leftOut = (description: string) => z.number().int().optional().meta({ description })
const objectRef = z.strictObject({ kind: z.string(), id: z.string().nullable() })

const Condition = z
  .strictObject({
    called: z.string().optional().meta({ description: 'The name that the mapping gives it.', example: 'paused' }),
    words: z.string().meta({ example: 'status is active or trialing' }),
    holds: z.boolean(),
    needs: z.enum(['all', 'one']).optional().meta({ description: 'How many of its parts have to hold.' }),
    now: value.optional(),
    before: value.optional(),
    stored: value.optional(),
    changes: z.array(z.strictObject({ field: z.string(), before: value, now: value })).optional(),
    leftOut: leftOut('Changes, parts and elements of a list that are not shown here.'),
    get of() {
      return z.array(Condition).optional()
    },
  })
  .meta({ id: 'Condition', description: 'A condition with its result, and at its leaves the values that were read.' })

const ExplainedRule = z
  .strictObject({
    at: z.number().int().meta({ description: 'Its position; the first rule that holds decides.' }),
    says: z.string().meta({ example: 'subscription.renewed' }),
    when: z.string().nullable(),
    holds: z.boolean().nullable().meta({ description: 'null: not tried, since an earlier one held.' }),
    condition: Condition.nullable(),
  })
  .meta({ id: 'ExplainedRule' })

const ExplainedMapping = z
  .strictObject({
    contract: z.string(),
    mapping: z.string(),
    again: z.boolean().meta({ description: "true: the mapping evaluates the object's newest state again." }),
    rules: z.array(ExplainedRule),
    owed: z.strictObject({ says: z.string(), holds: z.boolean(), condition: Condition }).nullable(),
    says: z.strictObject({
      kind: z.enum(['emit', 'ignore', 'fail']),
      what: z.string().meta({ description: 'The event types, or the code of the reason.' }),
      because: z.string().nullable(),
    }),
  })
  .meta({ id: 'ExplainedMapping' })

const ExplainedRead = z
  .strictObject({
    path: z.string().meta({
      description: 'Where it stands in the object; a path that begins with `event.` stands in the event itself.',
      example: 'items.data[0].price.unit_amount',
    }),
    value,
    role: z.enum(['value', 'condition', 'constant', 'memory', 'before', 'condition_before']).meta({
      description:
        '`value`: the field is made of it; `condition`: it decided which value the field has; `constant`: a constant of the mapping (path `always`); `memory`: what the gateway remembers or has counted, which stands in no object (`path` says what it is); `before`, `condition_before`: as `value` and `condition`, in the state before the event.',
    }),
    object: objectRef
      .nullable()
      .meta({ description: "The object that it was read from, if not the event's own object." }),
    until: z.string().nullable().meta({ description: 'The API version from which Stripe no longer sends it.' }),
  })
  .meta({ id: 'ExplainedRead' })

const ExplainedField = z
  .strictObject({
    field: z.string().meta({ example: 'subscription.amount' }),
    value,
    reads: z.array(ExplainedRead),
    absent: z.array(ExplainedRead).meta({ description: 'Paths that were tried first and were absent.' }),
    through: z.array(z.string()).meta({ description: 'Conversions that were applied.', example: ['major'] }),
    leftOut: leftOut(
      'Readings that are not shown here, such as those of a sum beyond the first hundred, or what a share of a refund depends on beyond the first dozen.',
    ),
  })
  .meta({ id: 'ExplainedField' })

const clue = {
  by: z.enum(['account', 'metadata', 'object']),
  value: z.string().meta({ description: 'What names the client.' }),
  of: z.string().meta({ description: 'Where that stands.', example: 'subscription sub_1TKx2u' }),
  toldBy: z.string().nullable().meta({
    description: "Of an object, Stripe's id of the event that told whose it is; `stripe`: it was looked up there.",
  }),
}

const ExplainedRouting = z
  .strictObject({
    state: z.enum(['waiting', 'routed', 'shared', 'unrouted']),
    routedBy: z.strictObject(clue).nullable(),
    answers: z.array(z.strictObject({ ...clue, clientId: id.nullable() })).meta({
      description: 'Of an event that waits or is unrouted: all that names a client, and which one today; null: none.',
    }),
    unknown: z
      .array(objectRef)
      .meta({ description: 'Objects that it names of which no event has told whose they are.' }),
    leftOut: leftOut('Answers and objects that are not shown here.'),
  })
  .meta({ id: 'ExplainedRouting' })

const ExplainedDelivery = z.strictObject({
  id,
  endpointId: id,
  url: z.string(),
  origin: z.enum(['fanout', 'resend', 'replay']),
  state: z.string(),
  reason: z.string().nullable(),
  attempts: z.number().int(),
  nextAttemptAt: replyTime.nullable(),
  waitsFor: z.strictObject({ for: z.string(), until: replyTime.nullable(), message: z.string() }).nullable(),
  lastAttempt: z.strictObject({ at: replyTime, outcome: z.string(), message: z.string().nullable() }).nullable(),
})

const ExplainedEvent = z
  .strictObject({
    contract: z.string(),
    mapping: z.string(),
    type: z.string(),
    key: z.string().meta({ description: 'The business key: there is never more than one event per key.' }),
    stored: z.strictObject({ id, createdAt: replyTime }).nullable(),
    toldBefore: z
      .strictObject({ sourceEventId: id.nullable(), eventId: z.string().nullable(), type: z.string().nullable() })
      .nullable(),
    fields: z.array(ExplainedField),
    differs: z.array(z.strictObject({ field: z.string(), stored: value, now: value })),
    deliveries: z.array(ExplainedDelivery),
    passedOver: z
      .array(
        z.strictObject({
          endpointId: id,
          url: z.string(),
          why: z.enum(['contract', 'filter', 'disabled', 'created_later', 'changed_later', 'unknown']),
          message: z.string(),
        }),
      )
      .meta({ description: 'Endpoints that did not get it, and why.' }),
    wouldGoTo: z.array(z.strictObject({ endpointId: id, url: z.string() })),
    leftOut: leftOut(
      'Differences, deliveries and endpoints that are not shown here; the list of deliveries has all of those.',
    ),
  })
  .meta({ id: 'ExplainedEvent' })

export const Explanation = z
  .strictObject({
    sourceEvent: z.strictObject({
      id: id.nullable().meta({ description: 'null for a dry run, which stores nothing.' }),
      sourceId: id,
      eventId: z.string(),
      type: z.string(),
      apiVersion: z.string().nullable(),
      account: z.string().nullable(),
      livemode: z.boolean(),
      createdAt: replyTime,
      receivedAt: replyTime,
      origin: z.enum(EVENT_ORIGINS),
      state: z.enum(['received', 'normalized', 'ignored', 'held', 'failed', 'unrouted']),
      reason: z.strictObject({ code: z.string(), message: z.string().nullable() }).nullable(),
      heldUntil: replyTime.nullable(),
    }),
    routing: ExplainedRouting.nullable().meta({
      description: "How its client was found; null: its source is the client's own.",
    }),
    summary: z.string(),
    hints: z.array(z.string()).meta({ description: 'What you can do about it.' }),
    pastRetention: z.string().nullable().meta({
      description: 'What can no longer be explained because the raw body is past its retention; null: nothing.',
    }),
    about: z
      .strictObject({
        kind: z.string(),
        id: z.string(),
        before: z.enum(['previous_attributes', 'snapshot', 'unknown']),
      })
      .nullable(),
    mappings: z.array(ExplainedMapping),
    events: z.array(ExplainedEvent),
    lookups: z.array(z.strictObject({ kind: z.string(), id: z.string(), known: z.boolean(), words: z.string() })),
    waitsFor: z.array(z.strictObject({ fact: z.string(), words: z.string() })),
    differs: z.string().nullable().meta({
      description: 'What the event would become today, if that differs from what was stored; null: nothing differs.',
    }),
    leftOut: leftOut('Lookups and facts waited for that are not shown here.'),
  })
  .meta({
    id: 'Explanation',
    description: 'Why a source event became what it became, evaluated with what is known today.',
  })
