import { z } from 'zod'

// Fields that several resources have in common.

export const id = z.uuid().meta({ example: '01980d3c-5f1a-7c3e-9d52-6b1f0c7a1e11', override: { pattern: undefined } })
/** A time in a reply, as JSON writes the Dates of rows. */
export const replyTime = z.iso
  .datetime({ precision: 3 })
  .meta({ example: '2026-04-10T00:00:00.000Z', override: { pattern: undefined } })
/** A time in a request: ISO 8601 with any offset, parsed into a Date. */
export const requestTime = z.iso
  .datetime({ offset: true })
  .transform((at) => new Date(at))
  .meta({ override: { type: 'string', format: 'date-time' } })
/** An id in a request. One that is not a UUID is answered like an id that does not exist, not refused for its form. */
export const idReference = z.string().meta({ format: 'uuid' })
export const textUpTo = (max: number) => z.string().min(1).max(max)
export const name = textUpTo(200)
export const clientId = idReference.optional().meta({
  description:
    "The client that the request concerns. It may be left out with a client's key; with an operator's key it is required, except in lists.",
})
export const eventType = textUpTo(100).meta({ example: 'subscription.renewed' })
export const metadata = z
  .record(textUpTo(40), z.string().max(500))
  .refine((given) => Object.keys(given).length <= 50, { error: 'must have 50 keys or fewer' })
  .meta({
    description: 'Notes of your own: up to 50 keys of up to 40 characters, with values of up to 500.',
    example: { team: 'billing' },
  })

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 250

/** The query parameters that choose a page of a list. */
export const connectedAccount = z
  .string()
  .regex(/^acct_[A-Za-z0-9]{1,100}$/, 'must be the id of a connected account')
  .meta({ example: 'acct_1TKx2u' })

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
  cursor: textUpTo(2000)
    .optional()
    .meta({ description: '`meta.nextCursor` of the previous page, with the same `order`.' }),
  order: z.enum(['asc', 'desc']).default('desc').meta({ description: 'By time of creation; `desc` is newest first.' }),
}

/** The query parameters that choose a period, in lists whose ids contain the time. */
export const windowQuery = {
  since: requestTime.optional().meta({ description: 'Created (source events: received) at this time or later.' }),
  until: requestTime.optional().meta({ description: 'Created (source events: received) before this time.' }),
}

/** The page that a list is asked for, as parsed from its query. */
export interface PageQuery {
  limit: number
  cursor?: string | undefined
  order: 'asc' | 'desc'
  since?: Date | undefined
  until?: Date | undefined
}
