import type { Json } from '../domain/json.ts'
import { deepPlaceOf } from '../language/unreadable.ts'

/** A stored source event that is due, with its parsed body; null: its bytes are past their retention. */
export interface SourceEvent {
  id: string
  sourceId: string
  eventId: string
  type: string
  createdAt: Date
  receivedAt: Date
  body: Json
  /** Why the body cannot be read at all, though its bytes are there. */
  malformed?: string
  /** Its evaluation has ended the process again and again: it is not evaluated. */
  isDeadly?: true
  /** The connected account that it is about; '' or left out: the source's own. */
  account?: string
  /** Left out: live. */
  livemode?: boolean
  apiVersion?: string | null
  /** Unix seconds of the state that the body shows, where that is not the event's: a fetched object. */
  asOf?: number
}

/** What became of a source event. */
export interface SourceEventOutcome {
  id: string
  state: 'normalized' | 'ignored' | 'held' | 'failed'
  code: string | null
  message: string | null
  heldUntil: Date | null
  heldFor: string[] | null
}

/** What an event waits for, and its deadline. */
export interface Hold {
  until: Date
  facts: string[]
}

/** How long events are held for what they miss. */
export interface WaitLimits {
  now: Date
  holdSeconds: number
  /** How long they wait for what is fetched from Stripe; undefined: nothing is fetched. */
  hydrateSeconds?: number | undefined
}

/** A body as mappings read it: one that is nested deeper than anything can write is left out. */
export function readBody(body: Json): Pick<SourceEvent, 'body' | 'malformed'> {
  const place = deepPlaceOf(body)
  return place === null ? { body } : { body: {}, malformed: `${place}: nested deeper than any event of Stripe's` }
}

// Stripe promises no order; what lies in one batch is at least sent in the order it happened. A deleted customer comes
// before the subscriptions that ended with it, so that their end is not taken for a cancellation.
export const sortByOccurrence = (events: SourceEvent[]): SourceEvent[] => {
  const rankOf = ({ type }: SourceEvent) =>
    type === 'customer.deleted' ? -1 : type.endsWith('.created') ? 0 : type.endsWith('.deleted') ? 2 : 1
  return events.sort(
    (a, b) => a.createdAt.getTime() - b.createdAt.getTime() || rankOf(a) - rankOf(b) || (a.id < b.id ? -1 : 1),
  )
}
