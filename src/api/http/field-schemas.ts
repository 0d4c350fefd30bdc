import { z } from 'zod'

// The words that schemas of several resources are made of.

export const id = z.uuid().meta({ example: '01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11', override: { pattern: undefined } })
/** A time in a reply: rows hold Dates, which become this in JSON. */
export const replyTime = z.iso
  .datetime({ precision: 3 })
  .meta({ example: '2026-04-10T00:00:00.000Z', override: { pattern: undefined } })
/** A time in a request: ISO 8601 with any offset, read as a Date. */
export const requestTime = z.iso
  .datetime({ offset: true })
  .transform((at) => new Date(at))
  .meta({ override: { type: 'string', format: 'date-time' } })
/** An id that a request names something by. One that is no UUID names nothing: it is looked up, not refused for its form. */
export const idReference = z.string().meta({ format: 'uuid' })
export const textUpTo = (max: number) => z.string().min(1).max(max)
export const name = textUpTo(200)
export const clientId = idReference.optional().meta({
  description: "Whose. With a client's own key it may be left out; an operator's key must name it.",
})
export const eventType = textUpTo(100).meta({ example: 'subscription.renewed' })
export const metadata = z
  .record(textUpTo(40), z.string().max(500))
  .refine((given) => Object.keys(given).length <= 50, { error: 'must have 50 keys or fewer' })
  .meta({
    description: "The client's own notes: 50 keys of 40 characters, values of 500.",
    example: { team: 'billing' },
  })

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 250

/** The page that a list is asked for. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a whole number from 1 to 250')
    .transform(Number)
    .pipe(z.number().min(1).max(MAX_LIMIT))
    .default(DEFAULT_LIMIT)
    .meta({
      override: { type: 'integer', minimum: 1, maximum: MAX_LIMIT, default: DEFAULT_LIMIT, pattern: undefined },
    }),
  cursor: textUpTo(2000).optional().meta({ description: '`meta.nextCursor` of the page before, with the same order.' }),
  order: z.enum(['asc', 'desc']).default('desc').meta({ description: 'By time of creation: newest first is `desc`.' }),
}

/** A window of a list whose ids tell the time. */
export const windowQuery = {
  since: requestTime.optional().meta({ description: 'Made (received, of source events) then or later.' }),
  until: requestTime.optional().meta({ description: 'Made before.' }),
}

/** What a list is asked for, as its handler finds it in the query. */
export interface PageQuery {
  limit: number
  cursor?: string | undefined
  order: 'asc' | 'desc'
  since?: Date | undefined
  until?: Date | undefined
}
