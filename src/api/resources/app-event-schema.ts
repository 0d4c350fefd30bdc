import { z } from 'zod'
import { type AppEvent, type AppEventType, appEvents, isoTimestamp } from '../../domain/app-events.ts'
import { clientId, idReference, textUpTo } from '../http/field-schemas.ts'

// What an application may publish: one event, or a batch.

const MAX_EVENTS = 1000
/** How far ahead of our clock the application's may be. */
const MAX_CLOCK_SKEW_MS = 5 * 60_000

/** An event as the application sends it, with either `userId` or `clientUserId`. */
export type GivenAppEvent = Pick<AppEvent, 'type' | 'data'> & {
  userId?: string
  clientUserId?: string
  occurredAt?: string
}

/** The bodies of `POST /v1/app-events` and of its batch form. */
export function appEventBodies(now: () => Date) {
  const single: z.ZodType<GivenAppEvent> = givenAppEvent(now, { clientId })
  const batch = z.strictObject({ clientId, events: cappedBatch(givenAppEvent(now, {})) })
  return { single, batch }
}

const TYPES = Object.keys(appEvents) as AppEventType[]

function givenAppEvent(now: () => Date, extra: z.ZodRawShape): z.ZodType<GivenAppEvent> {
  const occurredAt = isoTimestamp
    .refine((at) => Date.parse(at) <= now().getTime() + MAX_CLOCK_SKEW_MS, 'is more than 5 minutes ahead of our clock')
    .optional()
    .meta({ description: 'Any time up to now; default: when it is received.' })
  const [first, ...others] = TYPES.map((type) =>
    z
      .strictObject({
        ...extra,
        type: z.literal(type),
        userId: idReference.optional().meta({ description: "A Flo user's id. Give either this or `clientUserId`." }),
        clientUserId: textUpTo(500)
          .optional()
          .meta({ description: "The client's own id of the user; an id that is new creates the user." }),
        data: appEvents[type],
        occurredAt,
      })
      .refine(({ userId, clientUserId }) => (userId ?? clientUserId) !== undefined, {
        path: ['userId'],
        params: { code: 'required' },
        error: 'is required, or clientUserId',
      })
      .refine(({ userId, clientUserId }) => userId === undefined || clientUserId === undefined, {
        path: ['clientUserId'],
        error: 'must be left out when userId is given',
      }),
  )
  if (!first) throw new Error('There is no type of app event.')
  return z.discriminatedUnion('type', [first, ...others])
}

/** Checks the number before the events: 8 MiB can hold millions of events, each with a mistake. */
const cappedBatch = (event: z.ZodType<GivenAppEvent>) =>
  z.preprocess((events, context) => {
    if (Array.isArray(events) && events.length > MAX_EVENTS)
      context.addIssue({ code: 'custom', params: { code: 'too_big' }, message: `must be ${MAX_EVENTS} or fewer` })
    return events
  }, z.array(event).min(1).max(MAX_EVENTS))
