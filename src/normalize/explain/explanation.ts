import type { Waiting } from '../../database/delivery-waits.ts'
import type { Origin } from '../../domain/event-origin.ts'

// What an explanation tells. The API's schema of it is src/api/resources/explanation.ts.

/** Why a source event became what it became, and where that went. */
export interface Explanation {
  sourceEvent: Explained
  /** The answer in a sentence or two. */
  summary: string
  /** What can be done about it. */
  hints: string[]
  /** What cannot be told any more, since what it would be read from is gone; null: nothing. */
  pastRetention: string | null
  /** The Stripe object that the event is about, and how much was known of it. */
  about: About | null
  mappings: MappingExplained[]
  events: EventExplained[]
  /** Facts from outside the event that were asked for. */
  lookups: Lookup[]
  /** What is or was waited for. */
  waitsFor: { fact: string; words: string }[]
  /** What the event comes to when it is judged today differs from what was stored; null: it does not. */
  differs: string | null
}

export interface Explained {
  /** null: it is not stored, only tried. */
  id: string | null
  sourceId: string
  eventId: string
  type: string
  apiVersion: string | null
  account: string | null
  livemode: boolean
  createdAt: Date
  receivedAt: Date
  origin: Origin
  state: 'received' | 'normalized' | 'ignored' | 'held' | 'failed'
  reason: { code: string; message: string | null } | null
  heldUntil: Date | null
}

export interface About {
  kind: string
  id: string
  /** How its state before the event is known. */
  before: 'previous_attributes' | 'snapshot' | 'unknown'
}

export interface MappingExplained {
  contract: string
  mapping: string
  /** It speaks of the object's newest state once more, since this event sheds another light on it. */
  again: boolean
  rules: RuleExplained[]
  /** A fact owed since an earlier event; null where the mapping owes none. */
  owed: { says: string; holds: boolean; condition: Condition } | null
  says: { kind: 'emit' | 'ignore' | 'fail'; what: string; because: string | null }
}

export interface RuleExplained {
  /** 1 is the first. */
  at: number
  /** The events it emits, or the code it ignores with. */
  says: string
  when: string | null
  /** null: an earlier rule held, so this one was not tried. */
  holds: boolean | null
  condition: Condition | null
}

export interface Condition {
  /** The name that people give it: `paused`. */
  called?: string
  words: string
  holds: boolean
  /** The value that was read: now, in the state before the event, or in the state that was stored. */
  now?: unknown
  before?: unknown
  stored?: unknown
  /** What differs, of a comparison of whole shapes. */
  changes?: { field: string; before: unknown; now: unknown }[]
  /** How many of its parts have to hold, where it has several. */
  needs?: 'all' | 'one'
  of?: Condition[]
}

export interface EventExplained {
  contract: string
  mapping: string
  type: string
  key: string
  /** The event as it is stored; null: it is not. */
  stored: { id: string; createdAt: Date } | null
  /** The same fact was told before, from another source event. */
  toldBefore: { sourceEventId: string | null; eventId: string | null; type: string | null } | null
  fields: FieldExplained[]
  /** Fields that are stored with another value than they would have today. */
  differs: { field: string; stored: unknown; now: unknown }[]
  deliveries: DeliveryExplained[]
  /** Endpoints that did not get it. */
  passedOver: { endpointId: string; url: string; why: string; message: string }[]
  /** Of an event that is not stored: endpoints that would get it. */
  wouldGoTo: { endpointId: string; url: string }[]
}

export interface FieldExplained {
  field: string
  value: unknown
  /** What was read, as it stood there. */
  reads: Read[]
  /** What was looked for first, and was not there. */
  absent: Read[]
  /** Conversions and computations on the way, from the inside out. */
  through: string[]
}

export interface Read {
  path: string
  value: unknown
  /** The object it stands in, where that is not the event's own. */
  object: { kind: string; id: string | null } | null
  /** The API version from which on Stripe does not send it any more. */
  until: string | null
}

export interface Lookup {
  kind: string
  id: string
  known: boolean
  /** Where the fact comes from, in words. */
  words: string
}

export interface DeliveryExplained {
  id: string
  endpointId: string
  url: string
  origin: 'fanout' | 'resend' | 'replay'
  state: string
  reason: string | null
  attempts: number
  nextAttemptAt: Date | null
  /** Why it is not being sent at this moment; null of one that is done. */
  waitsFor: Waiting | null
  /** How the last attempt ended: `200`, `503`, `timeout`. */
  lastAttempt: { at: Date; outcome: string; message: string | null } | null
}
